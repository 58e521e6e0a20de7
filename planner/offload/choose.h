// Which values to send away, and when their copies run, so that what lives at once fits.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/offload/absences.h"
#include "planner/offload/copy_times.h"

namespace tidemark {

struct OffloadProblem {
  const Graph& graph;
  const Schedule& schedule;  ///< without offloads
  const std::vector<double>& step_seconds;
  HostLink link;
  OffloadKinds kinds;
  int64_t least_bytes = 1;  ///< of a value that is worth a copy
};

/// In the order of time. As long as more than `room` bytes live at some step, the value goes that has the
/// longest time to go and come back; then each copy gets as many steps as it takes, or as the room allows. If
/// nothing can go any more, what lives at once is still above the room.
std::vector<Offload> choose_offloads(const OffloadProblem& problem, int64_t room);

}  // namespace tidemark
