// All orders of a small graph at once: a shortest path over what has run and what is there.
//
// A state is the ops that ran and the values that are there. An op leads from one to the next and costs
// nothing the first time, since all orders pay for that, and its seconds again. Values go only where
// room is needed. States are taken by what they cost and what must run again from there on (A*), so the
// first that is not taken bounds all orders.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "planner/remat/search_control.h"
#include "planner/remat/search_graph.h"

namespace tidemark {

class StateSearch {
 public:
  static constexpr size_t kMost = 64;  ///< ops, and values

  struct Answer {
    std::vector<OpId> order;  ///< the fastest; empty: none costs less than the limit, or not found
    double again = 0;         ///< seconds of what runs again; no order has less of them
  };

  static bool can_search(const SearchGraph& graph);
  StateSearch(const SearchGraph& graph, int64_t room);

  /// Looks for orders with less than `limit` seconds of ops that run again, through so many states.
  Answer fastest(double limit, int64_t most_states, const SearchControl& control);

 private:
  using Set = uint64_t;
  static constexpr int64_t kAsk = 64;  // states between looks at the clock

  struct Share {
    Set in = 0, out = 0;
  };
  struct Op {
    Set reads = 0, makes = 0, after = 0, spoiled_by = 0;
    int64_t workspace = 0;
    double seconds = 0;
    bool again = false;
    std::vector<Share> shares;
  };
  struct State {
    Set ran = 0, there = 0;
    double again = 0;    // seconds so far
    double to_come = 0;  // more of them at least, from here on
    int32_t from = -1;
    OpId op = kNone;
  };

  void run(int32_t from, size_t i);
  void leave(State next, const Op& op, Set kept, Set useful, Set open);
  void reach(State next);
  double must_run_again(Set ran, Set there) const;
  bool fits(const Op& op, Set during, Set there) const;
  bool is_dominated(const State& state);
  Set useful_after(Set ran) const;
  int64_t bytes(Set values) const;
  bool full() const { return static_cast<int64_t>(states_.size()) >= most_states_; }
  std::vector<OpId> order_to(int32_t state) const;

  int64_t room_;
  std::vector<Op> ops_;
  std::vector<int64_t> bytes_;
  Set all_ = 0, to_the_end_ = 0;
  double limit_ = 0;
  int64_t most_states_ = 0;

  struct Hash {
    size_t operator()(const std::pair<Set, Set>& s) const {
      return (s.first * 0x9e3779b97f4a7c15u ^ s.second) * 0xff51afd7ed558ccdu >> 7;
    }
  };
  struct Entry {
    double total;
    int ran;
    int32_t state;
    /// Of two that cost the same, the one that got further.
    bool operator<(const Entry& o) const {
      return total != o.total ? total > o.total : ran != o.ran ? ran < o.ran : state < o.state;
    }
  };
  struct Taken {
    Set there;
    double again;
  };
  std::vector<State> states_;
  std::unordered_map<std::pair<Set, Set>, double, Hash> best_;
  std::unordered_map<Set, std::vector<Taken>> taken_;  // by what ran
  std::vector<Entry> queue_;                           // a heap
};

}  // namespace tidemark
