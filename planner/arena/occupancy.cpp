#include "planner/arena/occupancy.h"

#include <algorithm>
#include <bit>

namespace tidemark::arena {
namespace {

/// The nodes that make up the leaves first..last.
template <typename Visit>
void each_part(size_t first, size_t last, const Visit& visit) {
  for (++last; first < last; first /= 2, last /= 2) {
    if (first % 2 == 1) visit(first++);
    if (last % 2 == 1) visit(--last);
  }
}

/// The nodes above two leaves, the root last.
template <typename Visit>
void each_above(size_t first, size_t last, const Visit& visit) {
  for (first /= 2, last /= 2; first > 0; first /= 2, last /= 2) {
    visit(first);
    if (last != first) visit(last);
  }
}

}  // namespace

Occupancy::Occupancy(int32_t sections)
    : leaves_(std::bit_ceil(static_cast<size_t>(std::max(sections, 1)))),
      throughout_(2 * leaves_),
      sometimes_(2 * leaves_) {}

void Occupancy::clear() {
  for (Union& all : throughout_) all.clear();
  for (Union& all : sometimes_) all.clear();
}

void Occupancy::add_to(Union& all, Bytes bytes) {
  const auto first = std::lower_bound(all.begin(), all.end(), bytes.begin,
                                      [](const Bytes& b, int64_t begin) { return b.end < begin; });
  auto last = first;
  for (; last != all.end() && last->begin <= bytes.end; ++last) {
    bytes.begin = std::min(bytes.begin, last->begin);
    bytes.end = std::max(bytes.end, last->end);
  }
  if (first == last) {
    all.insert(first, bytes);
    return;
  }
  *first = bytes;
  all.erase(first + 1, last);
}

void Occupancy::add(int32_t first, int32_t last, Bytes bytes) {
  const size_t low = leaves_ + static_cast<size_t>(first), high = leaves_ + static_cast<size_t>(last);
  each_part(low, high, [&](size_t node) {
    add_to(throughout_[node], bytes);
    add_to(sometimes_[node], bytes);
  });
  each_above(low, high, [&](size_t node) { add_to(sometimes_[node], bytes); });
}

void Occupancy::look_at(const Union& all) {
  if (!all.empty()) cursors_.push_back({all.data(), all.data() + all.size()});
}

void Occupancy::look_at(int32_t first, int32_t last) {
  const size_t low = leaves_ + static_cast<size_t>(first), high = leaves_ + static_cast<size_t>(last);
  cursors_.clear();
  each_part(low, high, [&](size_t node) { look_at(sometimes_[node]); });
  each_above(low, high, [&](size_t node) { look_at(throughout_[node]); });
}

Occupancy::Bytes Occupancy::next_gap(int64_t from, int64_t size) {
  Bytes gap{from, kOpen};
  for (int64_t before = -1; before != gap.begin;) {
    before = gap.begin;
    gap.end = kOpen;
    for (Cursor& c : cursors_) {
      for (; c.at != c.end && c.at->begin < gap.begin + size; ++c.at)
        gap.begin = std::max(gap.begin, c.at->end);
      if (c.at != c.end) gap.end = std::min(gap.end, c.at->begin);
    }
  }
  return gap;
}

}  // namespace tidemark::arena
