#include "profiler/import/held_ranges.h"

#include <algorithm>
#include <utility>

namespace tidemark {
namespace {

/// Free stretches by address. Neighbours are one, so that a picture shows the gaps that an allocator sees.
class FreeMap {
 public:
  explicit FreeMap(std::vector<HeldRange>& out) : out_(out) {}

  void add(uint64_t begin, uint64_t end, int64_t moment) {
    auto after = free_.lower_bound(begin);
    if (after != free_.end() && after->first == end) {
      end = after->second.end;
      after = close(after, moment);
    }
    if (after != free_.begin())
      if (const auto before = std::prev(after); before->second.end == begin) {
        begin = before->first;
        close(before, moment);
      }
    free_.insert_or_assign(begin, Stretch{end, moment});
  }

  /// Takes out what of [begin, end) is free.
  void take(uint64_t begin, uint64_t end, int64_t moment) {
    auto it = free_.lower_bound(begin);
    if (it != free_.begin() && std::prev(it)->second.end > begin) --it;
    while (it != free_.end() && it->first < end) {
      const auto [from, to] = std::pair{it->first, it->second.end};
      it = close(it, moment);
      if (from < begin) free_.insert_or_assign(from, Stretch{begin, moment});
      if (to > end) it = free_.insert_or_assign(end, Stretch{to, moment}).first;
    }
  }

  void close_all(int64_t moment) {
    for (auto it = free_.begin(); it != free_.end();) it = close(it, moment);
  }

 private:
  struct Stretch {
    uint64_t end = 0;
    int64_t from = 0;
  };
  using Map = std::map<uint64_t, Stretch>;

  Map::iterator close(Map::iterator it, int64_t moment) {
    if (it->second.from < moment) out_.push_back({it->first, it->second.end, it->second.from, moment - 1});
    return free_.erase(it);
  }

  Map free_;
  std::vector<HeldRange>& out_;
};

/// The parts of [begin, end) that no stretch covers.
template <typename Stretches>
std::vector<std::pair<uint64_t, uint64_t>> gaps(const Stretches& stretches, uint64_t begin, uint64_t end) {
  std::vector<std::pair<uint64_t, uint64_t>> found;
  auto it = stretches.upper_bound(begin);
  if (it != stretches.begin()) begin = std::max(begin, std::prev(it)->second.end);
  for (; begin < end; ++it) {
    const uint64_t next = it == stretches.end() ? end : std::min(it->first, end);
    if (begin < next) found.emplace_back(begin, next);
    if (it == stretches.end()) break;
    begin = std::max(next, it->second.end);
  }
  return found;
}

}  // namespace

void HeldRanges::hold(uint64_t address, int64_t bytes, int64_t moment) {
  const uint64_t end = address + static_cast<uint64_t>(bytes);
  for (const auto& [from, to] : gaps(open_, address, end)) open_[from] = {to, moment};
  for (const auto& [from, to] : gaps(known_, address, end)) known_[from] = {to, moment};
}

void HeldRanges::held_at_end(uint64_t address, int64_t bytes) {
  for (const auto& [from, to] : gaps(known_, address, address + static_cast<uint64_t>(bytes)))
    open_[from] = known_[from] = {to, INT64_MIN};
}

void HeldRanges::give_back(uint64_t address, int64_t bytes, int64_t moment) {
  const uint64_t begin = address, end = address + static_cast<uint64_t>(bytes);
  held_at_end(address, bytes);
  auto it = open_.lower_bound(begin);
  if (it != open_.begin() && std::prev(it)->second.end > begin) --it;
  while (it != open_.end() && it->first < end) {
    const uint64_t from = it->first;
    const Open open = it->second;
    it = open_.erase(it);
    ended_.push_back({std::max(from, begin), std::min(open.end, end), open.from, moment});
    if (from < begin) open_.emplace(from, Open{begin, open.from});
    if (open.end > end) it = std::next(open_.emplace(end, Open{open.end, open.from}).first);
  }
}

std::vector<HeldRange> HeldRanges::all() const {
  std::vector<HeldRange> ranges = ended_;
  for (const auto& [begin, open] : open_) ranges.push_back({begin, open.end, open.from, INT64_MAX});
  return ranges;
}

std::vector<HeldRange> unused_parts(const std::vector<HeldRange>& held, const std::vector<HeldRange>& used,
                                    int64_t last) {
  // In a step first what the one before used and held goes, then what is new comes.
  enum Change : uint8_t { unused, given_back, taken, in_use };
  struct Event {
    int64_t step;
    Change change;
    uint64_t begin, end;
  };
  std::vector<Event> events;
  const auto add = [&](const HeldRange& r, Change comes, Change goes) {
    events.push_back({std::max<int64_t>(r.from, 0), comes, r.begin, r.end});
    if (r.to < last) events.push_back({r.to + 1, goes, r.begin, r.end});
  };
  for (const HeldRange& r : held) add(r, taken, given_back);
  for (const HeldRange& u : used) add(u, in_use, unused);
  std::ranges::stable_sort(events, {}, [](const Event& e) { return std::pair(e.step, e.change); });

  std::vector<HeldRange> parts;
  FreeMap free(parts);
  struct Stretch {
    uint64_t end;
  };
  std::map<uint64_t, Stretch> held_now, used_now;
  for (const Event& e : events) {
    switch (e.change) {
      case unused: {
        used_now.erase(e.begin);
        uint64_t from = e.begin;  // of what is held
        for (const auto& [begin, end] : gaps(held_now, e.begin, e.end)) {
          if (from < begin) free.add(from, begin, e.step);
          from = end;
        }
        if (from < e.end) free.add(from, e.end, e.step);
        break;
      }
      case given_back:
        held_now.erase(e.begin);
        free.take(e.begin, e.end, e.step);
        break;
      case taken:
        held_now[e.begin] = {e.end};
        for (const auto& [begin, end] : gaps(used_now, e.begin, e.end)) free.add(begin, end, e.step);
        break;
      case in_use:
        used_now[e.begin] = {e.end};
        free.take(e.begin, e.end, e.step);
        break;
    }
  }
  free.close_all(last + 1);
  return parts;
}

}  // namespace tidemark
