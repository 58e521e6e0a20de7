#include "planner/arena/placer.h"

#include <algorithm>
#include <limits>

namespace tidemark::arena {

int64_t Placer::find_gap(const ArenaBuffer& buffer, Fit fit) {
  int64_t top = 0;  // end of the highest neighbour in time so far
  int64_t best = -1, best_size = std::numeric_limits<int64_t>::max();
  size_t i = 0;
  for (; i < placed_.size(); ++i) {
    const Placed& p = placed_[i];
    if (p.last < buffer.first || buffer.last < p.first) continue;
    const int64_t gap = p.offset - top;
    if (gap >= buffer.bytes && gap < best_size) {
      best = top;
      best_size = gap;
      if (fit == Fit::lowest) break;
    }
    top = std::max(top, p.end);
  }
  comparisons_ += static_cast<int64_t>(i) + 1;
  return best >= 0 ? best : top;
}

int64_t Placer::place(const std::vector<int32_t>& order, Fit fit, int64_t give_up) {
  placed_.clear();
  offsets_.assign(buffers_.size(), 0);
  int64_t end = 0;
  for (int32_t id : order) {
    const ArenaBuffer& b = buffers_[static_cast<size_t>(id)];
    const int64_t offset = find_gap(b, fit);
    offsets_[static_cast<size_t>(id)] = offset;
    end = std::max(end, offset + b.bytes);
    if (end >= give_up) return end;
    const Placed placed{offset, offset + b.bytes, b.first, b.last};
    placed_.insert(std::upper_bound(placed_.begin(), placed_.end(), placed,
                                    [](const Placed& x, const Placed& y) { return x.offset < y.offset; }),
                   placed);
  }
  return end;
}

}  // namespace tidemark::arena
