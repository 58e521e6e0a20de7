#include "planner/remat/moment.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tidemark {

int64_t operand_bytes(const SearchGraph& graph, OpId op) {
  const SearchGraph::Op& o = graph.ops[static_cast<size_t>(op)];
  int64_t bytes = o.workspace;
  for (const auto* operands : {&o.reads, &o.makes})
    for (ValueId v : *operands) bytes += graph.values[static_cast<size_t>(v)].bytes;
  std::vector<ValueId> shared;
  for (const SearchGraph::Share& s : o.shares) {
    if (std::count(shared.begin(), shared.end(), s.out)) continue;
    shared.push_back(s.out);
    bytes -= graph.values[static_cast<size_t>(s.out)].bytes;
  }
  return bytes;
}

Moment::Moment(const SearchGraph& graph, OpId op) : cut_(make_cut(graph, op)) {}

std::vector<Moment::Place> Moment::find_places(const SearchGraph& graph, OpId op) {
  std::vector<Place> places(graph.ops.size(), Place::unordered);
  const std::vector<bool> before = reached(graph, op, &SearchGraph::Op::after);
  const std::vector<bool> behind = reached(graph, op, &SearchGraph::Op::then);
  for (size_t i = 0; i < places.size(); ++i)
    if (before[i] || behind[i]) places[i] = before[i] ? Place::before : Place::behind;
  places[static_cast<size_t>(op)] = Place::fixed;
  for (size_t i = 0; i < places.size(); ++i) {
    const SearchGraph::Op& o = graph.ops[i];
    const bool spoiled = std::any_of(o.spoiled_by.begin(), o.spoiled_by.end(), [&](OpId w) {
      return w == op || places[static_cast<size_t>(w)] == Place::before ||
             places[static_cast<size_t>(w)] == Place::fixed;
    });
    if (places[i] == Place::before && (!o.recomputable || spoiled)) places[i] = Place::fixed;
  }
  return places;
}

RemakeCut Moment::make_cut(const SearchGraph& graph, OpId op) {
  using Behind = RemakeCut::Behind;
  const SearchGraph::Op& o = graph.ops[static_cast<size_t>(op)];
  const std::vector<Place> places = find_places(graph, op);
  own_bytes_ = operand_bytes(graph, op);
  std::vector<bool> there(graph.values.size(), false);  // its operands
  for (const auto* operands : {&o.reads, &o.makes})
    for (ValueId v : *operands) there[static_cast<size_t>(v)] = true;

  std::vector<Behind> behind(places.size(), Behind::free);
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i] == Place::before) behind[i] = Behind::again;
    if (places[i] == Place::fixed) behind[i] = Behind::never;
  }
  RemakeCut cut(graph, std::move(behind), std::move(there));
  const auto is_behind = [&](OpId id) { return places[static_cast<size_t>(id)] == Place::behind; };
  const auto need = [&](ValueId v) {
    if (!is_behind(graph.values[static_cast<size_t>(v)].producer)) cut.need(v);
  };
  for (size_t i = 0; i < places.size(); ++i)
    if (places[i] == Place::behind)
      for (ValueId v : graph.ops[i].reads) need(v);
  for (size_t v = 0; v < graph.values.size(); ++v)
    if (graph.values[v].to_the_end && graph.values[v].bytes > 0) need(static_cast<ValueId>(v));
  return cut;
}

int64_t Moment::least_bytes() {
  return own_bytes_ + cut_.fewest_bytes().bytes;
}

int64_t Moment::kept_bytes() const {
  return own_bytes_ + cut_.needed_bytes();
}

MomentBound Moment::bound(int64_t room) {
  MomentBound best;
  const int64_t left = room - own_bytes_;
  RemakeChoice beyond;  // the best at a price that needs more bytes than there are
  beyond.live = cut_.needs();
  beyond.bytes = cut_.needed_bytes();
  if (beyond.bytes <= left) {
    best.fitting = std::move(beyond);
    return best;
  }
  RemakeChoice smallest = cut_.fewest_bytes();
  if (smallest.bytes > left) {
    best.seconds = std::numeric_limits<double>::infinity();
    return best;
  }
  best.fitting = std::move(smallest);
  // Between a choice that fits and one that does not, the price at which they cost the same.
  for (int round = 0; round < 60; ++round) {
    const double fewer = static_cast<double>(beyond.bytes - best.fitting.bytes);
    const double price = std::max(0.0, (best.fitting.seconds - beyond.seconds) / fewer);
    RemakeCut::Cheapest found = cut_.cheapest(price, 1);
    best.seconds = std::max(best.seconds, found.cost - price * static_cast<double>(left));
    const double line = best.fitting.seconds + price * static_cast<double>(best.fitting.bytes);
    const double cost = found.choice.seconds + price * static_cast<double>(found.choice.bytes);
    if (cost >= line * (1 - 1e-12)) break;
    (found.choice.bytes <= left ? best.fitting : beyond) = std::move(found.choice);
  }
  return best;
}

}  // namespace tidemark
