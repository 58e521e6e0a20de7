#include "planner/arena/placer.h"

#include <algorithm>
#include <limits>
#include <numeric>

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

int64_t Placer::find_highest_gap(const ArenaBuffer& buffer, int64_t capacity) {
  int64_t top = 0, highest = -1;
  for (const Placed& p : placed_) {
    if (p.last < buffer.first || buffer.last < p.first) continue;
    if (p.offset - top >= buffer.bytes) highest = p.offset - buffer.bytes;
    top = std::max(top, p.end);
  }
  comparisons_ += static_cast<int64_t>(placed_.size()) + 1;
  return capacity - top >= buffer.bytes ? capacity - buffer.bytes : highest;
}

int64_t Placer::place(const std::vector<int32_t>& order, Fit fit, int64_t give_up) {
  clear();
  int64_t end = 0;
  for (int32_t id : order) {
    const ArenaBuffer& b = buffers_[static_cast<size_t>(id)];
    const int64_t offset = find_gap(b, fit);
    end = std::max(end, offset + b.bytes);
    add(id, offset);
    if (end >= give_up) return end;
  }
  return end;
}

bool Placer::place_within(const std::vector<int32_t>& order, const std::vector<Fit>& fits, int64_t capacity) {
  clear();
  for (int32_t id : order) {
    const ArenaBuffer& b = buffers_[static_cast<size_t>(id)];
    const Fit fit = fits[static_cast<size_t>(id)];
    const int64_t offset = fit == Fit::highest ? find_highest_gap(b, capacity) : find_gap(b, fit);
    if (offset < 0 || offset + b.bytes > capacity) return false;
    add(id, offset);
  }
  return true;
}

int64_t Placer::settle() {
  std::vector<int32_t> order(buffers_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return offsets_[static_cast<size_t>(a)] < offsets_[static_cast<size_t>(b)];
  });
  return place(order, Fit::lowest, std::numeric_limits<int64_t>::max());
}

}  // namespace tidemark::arena
