// Values that leave the arena for the host's memory and come back: what a schedule becomes by it.
//
// The order of ops stays as it is, and no op knows of a copy; only where a value lies changes, and when. So
// an offload cannot change a number, and everything that holds of schedules holds of these.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/schedule.h"

namespace tidemark {

/// Points of the schedule between which a copy runs (Transfer).
struct CopyWindow {
  int32_t begin = 0, end = 0;
  bool operator==(const CopyWindow&) const = default;
};

/// Either the copy to the host comes first: then the value that stands in the arena at its begin is away
/// until the copy back. Or the copy from the host does: then the value, a source, lives on the host, and is
/// in the arena from there to the end of the copy back.
struct Offload {
  ValueId value = kNone;
  CopyWindow to_host, from_host;
  bool lives_on_host() const { return from_host.begin < to_host.begin; }
  bool operator==(const Offload&) const = default;
};

/// Steps that share the points between them: copies do not cross from one to the next, since a range may run
/// several times, or others come between.
struct StepRange {
  int32_t begin = 0, end = 0;
  bool operator==(const StepRange&) const = default;
};
/// prepare, body and optimizer.
std::vector<StepRange> step_ranges(const Graph& graph, const Schedule& schedule);
StepRange range_of(const std::vector<StepRange>& ranges, int32_t step);

/// Of each buffer, the steps that read or write it, ascending.
std::vector<std::vector<int32_t>> buffer_uses(const Schedule& schedule);

/// What the step writes into the buffer, or kNone.
ValueId written(const Graph& graph, const Step& step, int32_t buffer);

/// Splits the lives of buffers. Throws Error naming the value where an offload is not possible: the value is
/// not in the arena then, a step uses it while it is away, is written after its copy began, or a copy crosses
/// to another range of steps.
void apply_offloads(const Graph& graph, const std::vector<Offload>& offloads, Schedule& schedule);

}  // namespace tidemark
