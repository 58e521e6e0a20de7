// Both validators: a sweep over time with what is occupied in a map by its first byte.
#include "planner/arena/check.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "planner/arena/arena.h"

namespace tidemark {
namespace {

/// Bytes that a buffer occupies for some time, both half-open.
struct Rectangle {
  size_t buffer;
  int64_t from, until;
  int64_t low, high;
};

/// Two buffers that occupy a byte at the same time, the earlier one last.
std::optional<std::pair<size_t, size_t>> find_overlap(const std::vector<Rectangle>& rectangles) {
  // At each time, those that end leave before those that start enter.
  std::multimap<int64_t, const Rectangle*> starts, ends;
  for (const Rectangle& r : rectangles) {
    if (r.low == r.high) continue;
    starts.emplace(r.from, &r);
    ends.emplace(r.until, &r);
  }
  std::map<int64_t, const Rectangle*> live;
  auto leaving = ends.begin();
  for (const auto& [time, r] : starts) {
    for (; leaving != ends.end() && leaving->first <= time; ++leaving) live.erase(leaving->second->low);
    const auto next = live.lower_bound(r->low);
    if (next != live.end() && next->first < r->high) return std::pair(r->buffer, next->second->buffer);
    if (next != live.begin())
      if (const auto previous = std::prev(next); previous->second->high > r->low)
        return std::pair(r->buffer, previous->second->buffer);
    live.emplace(r->low, r);
  }
  return std::nullopt;
}

std::string label(size_t i) {
  return "buffer " + std::to_string(i);
}

std::string check_bounds(const std::vector<ArenaBuffer>& buffers, const std::vector<int64_t>& offsets,
                         int64_t end) {
  int64_t bottom = 0, above = end;
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (offsets[i] < 0 || offsets[i] > end || buffers[i].bytes > end - offsets[i])
      return label(i) + " lies outside the arena";
    if (buffers[i].bytes == 0) continue;
    if (buffers[i].bottom)
      bottom = std::max(bottom, offsets[i] + buffers[i].bytes);
    else
      above = std::min(above, offsets[i]);
  }
  if (bottom > above) return "a persistent buffer lies above one that is not";
  return {};
}

std::string check_coverage(const std::vector<ArenaBuffer>& buffers, const std::vector<int64_t>& offsets,
                           int64_t end) {
  std::multimap<int64_t, int64_t> ranges;
  for (size_t i = 0; i < buffers.size(); ++i) ranges.emplace(offsets[i], offsets[i] + buffers[i].bytes);
  int64_t covered = 0;
  for (const auto& [from, to] : ranges) {
    if (from > covered) break;
    covered = std::max(covered, to);
  }
  if (covered != end) return "no buffer ever uses the byte at " + std::to_string(covered);
  return {};
}

}  // namespace

std::string check_arena(const std::vector<ArenaBuffer>& buffers, const std::vector<int64_t>& offsets,
                        int64_t end) {
  if (offsets.size() != buffers.size()) return "there is not one offset for each buffer";
  if (std::string s = check_bounds(buffers, offsets, end); !s.empty()) return s;
  std::vector<Rectangle> rectangles;
  for (size_t i = 0; i < buffers.size(); ++i)
    rectangles.push_back(
        {i, buffers[i].first, int64_t{buffers[i].last} + 1, offsets[i], offsets[i] + buffers[i].bytes});
  if (const auto two = find_overlap(rectangles)) return label(two->first) + " overlaps " + label(two->second);
  return check_coverage(buffers, offsets, end);
}

namespace arena {
namespace {

/// What a buffer occupies between two neighbours among the ends of its life and gaps.
Interval occupied(const Buffer& buffer, int64_t time) {
  for (const Gap& gap : buffer.gaps)
    if (gap.time.lower <= time && time < gap.time.upper) return gap.window.value_or(Interval{});
  return {0, buffer.size};
}

}  // namespace

std::string check(const std::vector<Buffer>& buffers, const std::vector<int64_t>& offsets, int64_t capacity) {
  if (offsets.size() != buffers.size()) return "there is not one offset for each buffer";
  std::vector<Rectangle> rectangles;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Buffer& b = buffers[i];
    if (offsets[i] < 0 || offsets[i] > capacity || b.size > capacity - offsets[i])
      return "buffer '" + b.id + "' lies outside of the " + std::to_string(capacity) + " bytes";
    std::vector<int64_t> times = {b.time.lower, b.time.upper};
    for (const Gap& gap : b.gaps) times.insert(times.end(), {gap.time.lower, gap.time.upper});
    std::sort(times.begin(), times.end());
    for (size_t k = 1; k < times.size(); ++k) {
      const Interval bytes = occupied(b, times[k - 1]);
      rectangles.push_back({i, times[k - 1], times[k], offsets[i] + bytes.lower, offsets[i] + bytes.upper});
    }
  }
  if (const auto two = find_overlap(rectangles))
    return "buffer '" + buffers[two->first].id + "' overlaps buffer '" + buffers[two->second].id + "'";
  return {};
}

}  // namespace arena
}  // namespace tidemark
