#include "planner/offload/absences.h"

#include <algorithm>

#include "planner/arena/alignment.h"

namespace tidemark {
namespace {

class Finder {
 public:
  Finder(const Graph& graph, const Schedule& schedule)
      : graph_(graph),
        schedule_(schedule),
        ranges_(step_ranges(graph, schedule)),
        uses_(buffer_uses(schedule)) {}

  void add_gaps(int32_t b, std::vector<Absence>& found) const {
    const Buffer& buffer = schedule_.buffers[static_cast<size_t>(b)];
    const std::vector<int32_t>& uses = uses_[static_cast<size_t>(b)];
    if (uses.empty()) return;
    Absence a{.buffer = b, .bytes = rounded_up(buffer.bytes, kArenaAlignment)};
    a.range = range_of(ranges_, uses.front());
    for (size_t i = 0; i + 1 < uses.size() && uses[i + 1] < a.range.end; ++i) {
      const Step& step = schedule_.steps[static_cast<size_t>(uses[i])];
      if (const ValueId v = written(graph_, step, b); v != kNone) {
        a.value = v;
        a.made = uses[i];
      }
      a.from = uses[i];
      a.to = uses[i + 1];
      if (a.to > a.from + 1) found.push_back(a);
    }
  }

  void add_state(int32_t b, std::vector<Absence>& found) const {
    const Buffer& buffer = schedule_.buffers[static_cast<size_t>(b)];
    const std::vector<int32_t>& uses = uses_[static_cast<size_t>(b)];
    if (buffer.category != Category::optimizer_state || uses.empty()) return;
    const StepRange range = range_of(ranges_, uses.front());
    if (uses.back() >= range.end) return;
    found.push_back({.value = buffer.values.front(),
                     .buffer = b,
                     .bytes = rounded_up(buffer.bytes, kArenaAlignment),
                     .state = true,
                     .made = uses.back(),
                     .from = uses.front(),
                     .to = uses.back(),
                     .range = range});
  }

 private:
  const Graph& graph_;
  const Schedule& schedule_;
  std::vector<StepRange> ranges_;
  std::vector<std::vector<int32_t>> uses_;
};

}  // namespace

std::vector<Absence> find_absences(const Graph& graph, const Schedule& schedule, OffloadKinds kinds,
                                   int64_t least_bytes) {
  const Finder finder(graph, schedule);
  std::vector<Absence> found;
  for (size_t b = 0; b < schedule.buffers.size(); ++b) {
    const Buffer& buffer = schedule.buffers[b];
    if (buffer.bytes < least_bytes || buffer.values.empty()) continue;
    if (buffer.persistent && kinds.states) finder.add_state(static_cast<int32_t>(b), found);
    if (!buffer.persistent && kinds.activations) finder.add_gaps(static_cast<int32_t>(b), found);
  }
  return found;
}

}  // namespace tidemark
