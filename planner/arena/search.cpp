#include "planner/arena/search.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace tidemark::arena {

std::vector<int64_t> pressure(const std::vector<ArenaBuffer>& buffers) {
  int32_t steps = 0;
  for (const ArenaBuffer& b : buffers) steps = std::max(steps, b.last + 1);
  std::vector<int64_t> live(static_cast<size_t>(steps) + 1, 0);
  for (const ArenaBuffer& b : buffers) {
    live[static_cast<size_t>(b.first)] += b.bytes;
    live[static_cast<size_t>(b.last) + 1] -= b.bytes;
  }
  std::partial_sum(live.begin(), live.end(), live.begin());
  live.pop_back();
  return live;
}

Search::Search(std::vector<ArenaBuffer> buffers, int64_t target)
    : buffers_(std::move(buffers)),
      placer_(buffers_),
      target_(std::max(target, arena_lower_bound(buffers_))) {}

std::string Search::method() const {
  if (climbs_.empty()) return "nothing to place";
  const Climb& best = climbs_.front();
  return std::string(best.start) + (best.fit == Fit::best ? ", best fit" : "") +
         (best.improved ? ", local search" : "");
}

template <typename Key>
Search::Order Search::sorted(Key key) const {
  Order order(buffers_.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<double> keys(buffers_.size());
  for (int32_t i : order) keys[static_cast<size_t>(i)] = key(i);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    const double ka = keys[static_cast<size_t>(a)], kb = keys[static_cast<size_t>(b)];
    if (ka != kb) return ka > kb;
    if (at(a).bytes != at(b).bytes) return at(a).bytes > at(b).bytes;
    return a < b;
  });
  return order;
}

bool Search::start(const char* name, Order order) {
  for (Fit fit : {Fit::lowest, Fit::best}) {
    Climb climb;
    climb.start = name;
    climb.fit = fit;
    climb.order = order;
    climb.end = placer_.place(order, fit, std::numeric_limits<int64_t>::max());
    climb.offsets = placer_.offsets();
    climbs_.push_back(std::move(climb));
    if (climbs_.back().end <= target_) return true;
  }
  return false;
}

bool Search::start_all() {
  const std::vector<int64_t> live = pressure(buffers_);
  const auto peak = static_cast<int32_t>(std::max_element(live.begin(), live.end()) - live.begin());
  const auto at_peak = [&](int32_t i) { return at(i).first <= peak && peak <= at(i).last ? 1e30 : 0; };
  return start("longest life", sorted([&](int32_t i) { return life(i); })) ||
         start("largest", sorted([&](int32_t i) { return static_cast<double>(at(i).bytes); })) ||
         start("largest area", sorted([&](int32_t i) { return area(i); })) ||
         start("peak first", sorted([&](int32_t i) { return area(i) + at_peak(i); })) ||
         start("earliest", sorted([&](int32_t i) { return -static_cast<double>(at(i).first); })) ||
         start("latest", sorted([&](int32_t i) { return static_cast<double>(at(i).last); }));
}

/// A few of the buffers that share a step with one of the highest move towards the front.
Search::Order Search::moved(const Climb& climb, size_t& unchanged) {
  const auto below = [&](size_t n) { return static_cast<size_t>(random_() % n); };
  Order order = climb.order;
  std::vector<size_t> tops, rivals;
  for (size_t i = 0; i < order.size(); ++i)
    if (climb.offsets[static_cast<size_t>(order[i])] + at(order[i]).bytes == climb.end) tops.push_back(i);
  const ArenaBuffer& top = at(order[tops[below(tops.size())]]);
  for (size_t i = 0; i < order.size(); ++i)
    if (at(order[i]).first <= top.last && top.first <= at(order[i]).last) rivals.push_back(i);
  unchanged = order.size();
  for (size_t moves = 1 + below(3); moves-- > 0;) {
    // What stands late in the order decides the least and is the cheapest to place again.
    const size_t k = rivals.size() - 1 - std::min(below(rivals.size()), below(rivals.size()));
    const size_t span = std::min(k, size_t{1} << below(7));
    const size_t from = rivals[k], to = rivals[k - below(span + 1)];
    std::rotate(order.begin() + static_cast<std::ptrdiff_t>(to),
                order.begin() + static_cast<std::ptrdiff_t>(from),
                order.begin() + static_cast<std::ptrdiff_t>(from) + 1);
    unchanged = std::min(unchanged, to);
  }
  return order;
}

/// Moves that end no higher are kept, so that the search can cross plateaus.
bool Search::improve(Climb& climb, int64_t effort) {
  const int64_t limit = placer_.comparisons() + effort;
  while (climb.end > target_ && placer_.comparisons() < limit) {
    size_t unchanged = 0;
    Order order = moved(climb, unchanged);
    const int64_t end = placer_.replace(order, unchanged, climb.offsets, climb.fit, climb.end + 1);
    if (end > climb.end) continue;
    climb.improved = climb.improved || end < climb.end;
    climb.end = end;
    climb.order = std::move(order);
    climb.offsets = placer_.offsets();
  }
  return climb.end <= target_;
}

void Search::rank() {
  std::stable_sort(climbs_.begin(), climbs_.end(),
                   [](const Climb& a, const Climb& b) { return a.end < b.end; });
}

void Search::run(int64_t effort) {
  bool done = start_all();
  const int64_t share = effort / 4;  // of each of four rounds
  while (!done) {
    for (Climb& climb : climbs_) {
      done = improve(climb, share / static_cast<int64_t>(climbs_.size()));
      if (done) break;
    }
    if (climbs_.size() == 1) break;
    rank();
    climbs_.resize((climbs_.size() + 2) / 3);
  }
  rank();
}

}  // namespace tidemark::arena
