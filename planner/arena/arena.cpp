#include "planner/arena/arena.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <random>

#include "base/error.h"
#include "planner/arena/placer.h"

namespace tidemark {
namespace {

using arena::Fit;
using arena::Placer;
using Order = std::vector<int32_t>;

struct Heuristic {
  const char* name;
  std::function<double(int32_t)> key;  // larger is placed earlier
};

int64_t life(const ArenaBuffer& b) {
  return static_cast<int64_t>(b.last) - b.first + 1;
}

/// Bytes live at each step.
std::vector<int64_t> pressure(const std::vector<ArenaBuffer>& buffers) {
  int32_t steps = 0;
  for (const ArenaBuffer& b : buffers) steps = std::max(steps, b.last + 1);
  std::vector<int64_t> change(static_cast<size_t>(steps) + 1, 0);
  for (const ArenaBuffer& b : buffers) {
    change[static_cast<size_t>(b.first)] += b.bytes;
    change[static_cast<size_t>(b.last) + 1] -= b.bytes;
  }
  for (size_t i = 1; i < change.size(); ++i) change[i] += change[i - 1];
  change.pop_back();
  return change;
}

/// The buffers that are not at the bottom, and the search over orders to place them in.
class Search {
 public:
  explicit Search(std::vector<ArenaBuffer> buffers)
      : buffers_(std::move(buffers)), placer_(buffers_), lower_bound_(arena_lower_bound(buffers_)) {}

  bool done() const { return end_ <= lower_bound_; }

  void run_heuristics();
  void run_local_search(int64_t effort);

  const std::vector<ArenaBuffer>& buffers() const { return buffers_; }
  const std::vector<int64_t>& offsets() const { return offsets_; }
  int64_t end() const { return buffers_.empty() ? 0 : end_; }
  const std::string& method() const { return method_; }

 private:
  bool try_order(const Order& order, Fit fit, int64_t give_up, const std::string& method);

  std::vector<ArenaBuffer> buffers_;
  Placer placer_;
  int64_t lower_bound_;
  int64_t end_ = std::numeric_limits<int64_t>::max();
  int64_t last_end_ = 0;
  Order order_;
  Fit fit_ = Fit::lowest;
  std::vector<int64_t> offsets_;
  std::string method_;
};

bool Search::try_order(const Order& order, Fit fit, int64_t give_up, const std::string& method) {
  last_end_ = placer_.place(order, fit, give_up);
  if (last_end_ >= give_up) return false;
  if (last_end_ < end_) method_ = method;
  end_ = last_end_;
  order_ = order;
  fit_ = fit;
  offsets_ = placer_.offsets();
  return true;
}

void Search::run_heuristics() {
  const std::vector<int64_t> live = pressure(buffers_);
  const int64_t peak =
      live.empty() ? 0 : static_cast<int64_t>(std::max_element(live.begin(), live.end()) - live.begin());
  auto at = [&](int32_t i) -> const ArenaBuffer& { return buffers_[static_cast<size_t>(i)]; };
  auto area = [&](int32_t i) { return static_cast<double>(at(i).bytes) * static_cast<double>(life(at(i))); };
  const double much = 1e30;
  const std::vector<Heuristic> heuristics = {
      {"longest life", [&](int32_t i) { return static_cast<double>(life(at(i))); }},
      {"largest", [&](int32_t i) { return static_cast<double>(at(i).bytes); }},
      {"largest area", area},
      {"peak first",
       [&](int32_t i) { return area(i) + (at(i).first <= peak && peak <= at(i).last ? much : 0); }},
      {"peak first by life",
       [&](int32_t i) {
         return static_cast<double>(life(at(i))) + (at(i).first <= peak && peak <= at(i).last ? much : 0);
       }},
      {"earliest", [&](int32_t i) { return -static_cast<double>(at(i).first); }},
      {"latest", [&](int32_t i) { return static_cast<double>(at(i).last); }},
  };
  Order order(buffers_.size());
  std::vector<double> keys(buffers_.size());
  for (const Heuristic& h : heuristics) {
    for (size_t i = 0; i < order.size(); ++i) {
      order[i] = static_cast<int32_t>(i);
      keys[i] = h.key(static_cast<int32_t>(i));
    }
    std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      const double ka = keys[static_cast<size_t>(a)], kb = keys[static_cast<size_t>(b)];
      if (ka != kb) return ka > kb;
      if (at(a).bytes != at(b).bytes) return at(a).bytes > at(b).bytes;
      return a < b;
    });
    for (Fit fit : {Fit::lowest, Fit::best}) {
      try_order(order, fit, end_, std::string(h.name) + (fit == Fit::best ? ", best fit" : ""));
      if (done()) return;
    }
  }
}

void Search::run_local_search(int64_t effort) {
  // Moves what stands highest towards the front of the order: it then takes the place of those that
  // pushed it up. Moves that end no higher are kept, so the search can cross plateaus.
  std::mt19937_64 random(20190521);
  auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
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

}  // namespace

int64_t arena_lower_bound(const std::vector<ArenaBuffer>& buffers) {
  const std::vector<int64_t> live = pressure(buffers);
  return live.empty() ? 0 : *std::max_element(live.begin(), live.end());
}

ArenaSolution solve_arena(const std::vector<ArenaBuffer>& buffers, const ArenaOptions& options) {
  ArenaSolution solution;
  solution.offsets.assign(buffers.size(), 0);
  std::vector<ArenaBuffer> movable;
  std::vector<size_t> ids;
  int64_t base = 0;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const ArenaBuffer& b = buffers[i];
    if (b.bytes < 0 || b.first < 0 || b.last < b.first)
      throw InternalError("arena buffer " + std::to_string(i) + " has a negative size or life");
    if (b.bottom) {
      solution.offsets[i] = base;
      base += b.bytes;
    } else if (b.bytes > 0) {
      ids.push_back(i);
      movable.push_back(b);
    }
  }
  solution.lower_bound = base + arena_lower_bound(movable);
  Search search(std::move(movable));
  if (!ids.empty()) {
    search.run_heuristics();
    search.run_local_search(options.effort);
  }
  for (size_t k = 0; k < ids.size(); ++k) solution.offsets[ids[k]] = base + search.offsets()[k];
  solution.end = base + search.end();
  solution.method = search.method();
  return solution;
}

}  // namespace tidemark
