#include "planner/arena/search.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <random>

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

Search::Search(std::vector<ArenaBuffer> buffers)
    : buffers_(std::move(buffers)), placer_(buffers_), lower_bound_(arena_lower_bound(buffers_)) {
  const std::vector<int64_t> live = pressure(buffers_);
  peak_ = static_cast<int32_t>(std::max_element(live.begin(), live.end()) - live.begin());
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

void Search::keep(const Order& order, Fit fit, int64_t end, const std::string& method) {
  if (end < end_) method_ = method;
  end_ = end;
  order_ = order;
  fit_ = fit;
  offsets_ = placer_.offsets();
}

bool Search::try_order(const Order& order, Fit fit, int64_t give_up, const std::string& method) {
  const int64_t end = placer_.place(order, fit, give_up);
  if (end >= give_up) return false;
  keep(order, fit, end, method);
  return true;
}

void Search::run_heuristics() {
  struct Heuristic {
    const char* name;
    std::function<double(int32_t)> key;  // larger is placed earlier
  };
  const auto at_peak = [&](int32_t i) { return at(i).first <= peak_ && peak_ <= at(i).last ? 1e30 : 0; };
  const std::vector<Heuristic> heuristics = {
      {"longest life", [&](int32_t i) { return life(i); }},
      {"largest", [&](int32_t i) { return static_cast<double>(at(i).bytes); }},
      {"largest area", [&](int32_t i) { return area(i); }},
      {"peak first", [&](int32_t i) { return area(i) + at_peak(i); }},
      {"peak first by life", [&](int32_t i) { return life(i) + at_peak(i); }},
      {"earliest", [&](int32_t i) { return -static_cast<double>(at(i).first); }},
      {"latest", [&](int32_t i) { return static_cast<double>(at(i).last); }},
  };
  for (const Heuristic& h : heuristics) {
    const Order order = sorted(h.key);
    for (Fit fit : {Fit::lowest, Fit::best}) {
      if (done()) return;
      try_order(order, fit, end_, std::string(h.name) + (fit == Fit::best ? ", best fit" : ""));
    }
  }
}

bool Search::try_two_ended(const Order& order, const std::vector<Fit>& fits, int64_t capacity) {
  if (!placer_.place_within(order, fits, capacity)) return false;
  const int64_t end = placer_.settle();
  if (end >= end_) return false;
  Order upwards = order;
  const std::vector<int64_t>& offsets = placer_.offsets();
  std::stable_sort(upwards.begin(), upwards.end(), [&](int32_t a, int32_t b) {
    return offsets[static_cast<size_t>(a)] < offsets[static_cast<size_t>(b)];
  });
  keep(upwards, Fit::lowest, end, "two-ended");
  return true;
}

void Search::run_two_ended(int64_t effort) {
  const int64_t limit = placer_.comparisons() + effort;
  const std::vector<Order> orders = {sorted([&](int32_t i) { return life(i); }),
                                     sorted([&](int32_t i) { return area(i); }),
                                     sorted([&](int32_t i) { return static_cast<double>(at(i).bytes); })};
  // Which buffers come from above: those that begin after the peak, or that live more after it than before.
  const std::vector<std::function<bool(const ArenaBuffer&)>> sides = {
      [&](const ArenaBuffer& b) { return b.first >= peak_; },
      [&](const ArenaBuffer& b) { return b.last - peak_ > peak_ - b.first; },
  };
  for (const auto& from_above : sides) {
    std::vector<Fit> fits;
    for (const ArenaBuffer& b : buffers_) fits.push_back(from_above(b) ? Fit::highest : Fit::lowest);
    for (const Order& order : orders) {
      int64_t low = lower_bound_;
      for (int tries = 0; tries < 5 && !done() && placer_.comparisons() < limit && low < end_; ++tries) {
        const int64_t capacity = tries == 0 ? low : low + (end_ - low) / 2;
        if (!try_two_ended(order, fits, capacity)) low = capacity + 1;
      }
    }
  }
}

void Search::run_local_search(int64_t effort) {
  // What is moved takes the place of those that pushed it up. Moves that end no higher are kept, so the
  // search can cross plateaus.
  std::mt19937_64 random(20190521);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const int64_t limit = placer_.comparisons() + effort;
  while (!done() && placer_.comparisons() < limit) {
    Order order = order_;
    std::vector<size_t> tops;
    for (size_t i = 0; i < order.size(); ++i) {
      const auto id = static_cast<size_t>(order[i]);
      if (offsets_[id] + buffers_[id].bytes == end_) tops.push_back(i);
    }
    const size_t moves = 1 + below(3);
    for (size_t k = 0; k < moves; ++k) {
      const size_t from = k == 0 ? tops[below(tops.size())] : below(order.size());
      const size_t to = below(from + 1);
      std::rotate(order.begin() + static_cast<std::ptrdiff_t>(to),
                  order.begin() + static_cast<std::ptrdiff_t>(from),
                  order.begin() + static_cast<std::ptrdiff_t>(from) + 1);
    }
    try_order(order, fit_, end_ + 1, "local search");
  }
}

}  // namespace tidemark::arena
