#include "planner/arena/placer.h"

#include <algorithm>
#include <limits>

namespace tidemark::arena {

void Placer::clear() {
  placed_.clear();
  offsets_.assign(buffers_.size(), 0);
}

void Placer::add(int32_t id, int64_t offset) {
  const ArenaBuffer& b = buffers_[static_cast<size_t>(id)];
  offsets_[static_cast<size_t>(id)] = offset;
  const Placed placed{offset, offset + b.bytes, b.first, b.last};
  placed_.insert(std::upper_bound(placed_.begin(), placed_.end(), placed,
                                  [](const Placed& x, const Placed& y) { return x.offset < y.offset; }),
                 placed);
}

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

int64_t Placer::place_rest(const std::vector<int32_t>& order, size_t from, Fit fit, int64_t end,
                           int64_t give_up) {
  for (size_t i = from; i < order.size() && end < give_up; ++i) {
    const ArenaBuffer& b = buffers_[static_cast<size_t>(order[i])];
    const int64_t offset = find_gap(b, fit);
    end = std::max(end, offset + b.bytes);
    add(order[i], offset);
  }
  return end;
}

int64_t Placer::place(const std::vector<int32_t>& order, Fit fit, int64_t give_up) {
  clear();
  return place_rest(order, 0, fit, 0, give_up);
}

int64_t Placer::replace(const std::vector<int32_t>& order, size_t kept, const std::vector<int64_t>& offsets,
                        Fit fit, int64_t give_up) {
  clear();
  int64_t end = 0;
  for (size_t i = 0; i < kept; ++i) {
    const auto id = static_cast<size_t>(order[i]);
    const ArenaBuffer& b = buffers_[id];
    offsets_[id] = offsets[id];
    placed_.push_back({offsets[id], offsets[id] + b.bytes, b.first, b.last});
    end = std::max(end, offsets[id] + b.bytes);
  }
  std::stable_sort(placed_.begin(), placed_.end(),
                   [](const Placed& x, const Placed& y) { return x.offset < y.offset; });
  comparisons_ += static_cast<int64_t>(kept);
  return place_rest(order, kept, fit, end, give_up);
}

}  // namespace tidemark::arena
