// When the copies of what is offloaded run: as long as they take, where there is room for it.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/offload/absences.h"
#include "planner/offload/copy_times.h"

namespace tidemark {

struct AwayValue {
  const Absence* absence = nullptr;
  Offload* offload = nullptr;  ///< with its shortest windows, which grow
};

/// Follows the clock through the range's steps. A value that was sent stays until its copy is done, unless
/// the room is needed; a copy back begins no sooner than it must to be hidden, and no sooner than there is
/// room to its end. `clock`: seconds at each point, ops alone; `live`: bytes at each step, of all that has
/// its shortest window, to which the longer windows are added; at no step does that pass `room`.
void lengthen_windows(std::vector<AwayValue> values, const StepRange& range, const HostLink& link,
                      const std::vector<double>& clock, int64_t room, std::vector<int64_t>& live);

}  // namespace tidemark
