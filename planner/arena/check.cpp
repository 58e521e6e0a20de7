// The validator: a sweep over time with the live buffers in a map by offset.
#include <algorithm>
#include <map>

#include "planner/arena/arena.h"

namespace tidemark {
namespace {

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

std::string check_overlaps(const std::vector<ArenaBuffer>& buffers, const std::vector<int64_t>& offsets) {
  // At each step, those that ended leave before those that start enter.
  std::multimap<int32_t, size_t> starts, ends;
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].bytes == 0) continue;
    starts.emplace(buffers[i].first, i);
    ends.emplace(buffers[i].last, i);
  }
  std::map<int64_t, size_t> live;
  auto leaving = ends.begin();
  for (const auto& [step, i] : starts) {
    for (; leaving != ends.end() && leaving->first < step; ++leaving) live.erase(offsets[leaving->second]);
    const auto next = live.lower_bound(offsets[i]);
    if (next != live.end() && next->first < offsets[i] + buffers[i].bytes)
      return label(i) + " overlaps " + label(next->second);
    if (next != live.begin()) {
      const auto previous = std::prev(next);
      if (previous->first + buffers[previous->second].bytes > offsets[i])
        return label(i) + " overlaps " + label(previous->second);
    }
    live.emplace(offsets[i], i);
  }
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
  if (std::string s = check_overlaps(buffers, offsets); !s.empty()) return s;
  return check_coverage(buffers, offsets, end);
}

}  // namespace tidemark
