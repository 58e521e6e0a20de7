#include "planner/remat/state_search.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace tidemark {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

constexpr uint64_t bit(size_t i) {
  return uint64_t{1} << i;
}

uint64_t bits(const std::vector<int32_t>& ids) {
  uint64_t set = 0;
  for (int32_t i : ids) set |= bit(static_cast<size_t>(i));
  return set;
}

/// Calls visit(i) for all of the set, ascending.
template <typename Visit>
void each(uint64_t set, Visit visit) {
  for (; set != 0; set &= set - 1) visit(static_cast<size_t>(std::countr_zero(set)));
}

}  // namespace

bool StateSearch::can_search(const SearchGraph& graph) {
  return graph.ops.size() <= kMost && graph.values.size() <= kMost;
}

StateSearch::StateSearch(const SearchGraph& graph, int64_t room) : room_(room) {
  Set before = 0;  // of what stands where it is
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const SearchGraph::Op& o = graph.ops[i];
    Op op{.reads = bits(o.reads),
          .makes = bits(o.makes),
          .after = bits(o.after) | (o.movable ? 0 : before),
          .spoiled_by = bits(o.spoiled_by),
          .workspace = o.workspace,
          .seconds = o.seconds,
          .again = o.recomputable,
          .shares = {}};
    for (const SearchGraph::Share& s : o.shares)
      op.shares.push_back({bit(static_cast<size_t>(s.in)), bit(static_cast<size_t>(s.out))});
    ops_.push_back(std::move(op));
    all_ |= bit(i);
    if (!o.movable) before |= bit(i);
  }
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const SearchGraph::Value& value = graph.values[v];
    bytes_.push_back(value.bytes);
    if (value.to_the_end && value.bytes > 0) to_the_end_ |= bit(v);
  }
}

StateSearch::Answer StateSearch::fastest(double limit, int64_t most_states, const SearchControl& control) {
  limit_ = limit;
  most_states_ = most_states;
  reach({});
  for (int64_t taken = 0; !queue_.empty(); ++taken) {
    std::pop_heap(queue_.begin(), queue_.end());
    const Entry entry = queue_.back();
    queue_.pop_back();
    const State state = states_[static_cast<size_t>(entry.state)];
    if (state.ran == all_ && (to_the_end_ & ~state.there) == 0)
      return {.order = order_to(entry.state), .again = state.again};
    if (is_dominated(state)) continue;
    for (size_t i = 0; i < ops_.size(); ++i) run(entry.state, i);
    if (full() || (taken % kAsk == 0 && control.stopped())) return {.order = {}, .again = entry.total};
  }
  return {.order = {}, .again = limit};
}

std::vector<OpId> StateSearch::order_to(int32_t state) const {
  std::vector<OpId> order;
  for (; states_[static_cast<size_t>(state)].from >= 0; state = states_[static_cast<size_t>(state)].from)
    order.push_back(states_[static_cast<size_t>(state)].op);
  std::reverse(order.begin(), order.end());
  return order;
}

void StateSearch::run(int32_t from, size_t i) {
  const State state = states_[static_cast<size_t>(from)];
  const Op& op = ops_[i];
  const bool ran = (state.ran & bit(i)) != 0;
  if ((op.reads & ~state.there) != 0 || (op.after & ~state.ran) != 0) return;
  if (ran && (!op.again || (op.spoiled_by & state.ran) != 0 || (op.makes & ~state.there) == 0)) return;
  State next{.ran = state.ran | bit(i),
             .there = 0,
             .again = state.again + (ran ? op.seconds : 0),
             .to_come = 0,
             .from = from,
             .op = static_cast<OpId>(i)};
  if (next.again >= limit_) return;
  const Set useful = useful_after(next.ran);
  leave(next, op, state.there & ~op.makes & (useful | op.reads), useful, ~Set{0});
}

/// Every choice among the `open` values of which to give up, so that the op fits.
void StateSearch::leave(State next, const Op& op, Set kept, Set useful, Set open) {
  if (full()) return;
  // What it reads goes with it or not at all.
  const Set during = kept | op.reads;
  next.there = (kept | op.makes) & useful;
  if (fits(op, during, next.there)) return reach(next);
  Set shared = 0;
  for (const Share& s : op.shares) shared |= s.in;
  const Set candidates = kept & (~op.reads | shared) & useful & open;
  each(candidates, [&](size_t v) { leave(next, op, kept & ~bit(v), useful, ~((bit(v) << 1) - 1)); });
}

bool StateSearch::fits(const Op& op, Set during, Set there) const {
  int64_t used = bytes(during | op.makes) + op.workspace;
  Set taken_in = 0, taken_out = 0;
  for (const Share& s : op.shares) {
    if ((s.in & (taken_in | there)) != 0 || (s.out & taken_out) != 0) continue;
    taken_in |= s.in;
    taken_out |= s.out;
    used -= bytes(s.in);
  }
  return used <= room_;
}

void StateSearch::reach(State next) {
  const auto [known, is_new] = best_.emplace(std::pair(next.ran, next.there), next.again);
  if (!is_new && known->second <= next.again) return;
  known->second = next.again;
  next.to_come = must_run_again(next.ran, next.there);
  const double total = next.again + next.to_come;
  if (total >= limit_) return;
  states_.push_back(next);
  queue_.push_back({total, std::popcount(next.ran), static_cast<int32_t>(states_.size()) - 1});
  std::push_heap(queue_.begin(), queue_.end());
}

/// Seconds of the ops whose results somebody needs and that are gone, and of those that these need. Infinite
/// where one of them must not run again.
double StateSearch::must_run_again(Set ran, Set there) const {
  Set needed = to_the_end_;
  each(all_ & ~ran, [&](size_t i) { needed |= ops_[i].reads; });
  double seconds = 0;
  for (size_t i = ops_.size(); i-- > 0;) {
    const Op& op = ops_[i];
    if ((ran & bit(i)) == 0 || (op.makes & needed & ~there) == 0) continue;
    if (!op.again || (op.spoiled_by & ran) != 0) return kNever;
    seconds += op.seconds;
    needed |= op.reads;
  }
  return seconds;
}

/// Whether a state that cost no more has run the same and has all that is there, and more.
bool StateSearch::is_dominated(const State& state) {
  std::vector<Taken>& others = taken_[state.ran];
  for (const Taken& other : others)
    if ((state.there & ~other.there) == 0 && other.again <= state.again) return true;
  others.push_back({state.there, state.again});
  return false;
}

/// Values that somebody may yet read: an op that has not run, or one that may make such a value again.
StateSearch::Set StateSearch::useful_after(Set ran) const {
  Set readers = all_ & ~ran, values = to_the_end_;
  each(readers, [&](size_t i) { values |= ops_[i].reads; });
  for (size_t i = ops_.size(); i-- > 0;) {
    const Op& op = ops_[i];
    if ((ran & bit(i)) == 0 || !op.again || (op.spoiled_by & ran) != 0) continue;
    if ((op.makes & values) != 0) values |= op.reads;
  }
  return values;
}

int64_t StateSearch::bytes(Set values) const {
  int64_t sum = 0;
  each(values, [&](size_t v) { sum += bytes_[v]; });
  return sum;
}

}  // namespace tidemark
