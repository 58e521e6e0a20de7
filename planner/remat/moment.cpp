#include "planner/remat/moment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "planner/plan.h"

namespace tidemark {
namespace {

constexpr double kAllSeconds = 1LL << 40;    // capacity of all ops together
constexpr double kMostCapacity = 1LL << 42;  // of one edge: more than it is ever worth to cut

}  // namespace

Moment::Moment(const SearchGraph& graph, OpId op)
    : graph_(graph),
      place_(graph.ops.size(), Place::unordered),
      operand_(graph.values.size(), false),
      value_node_(graph.values.size(), kNoNode),
      op_node_(graph.ops.size(), kNoNode) {
  find_places(op);
  measure(op);
  build();
}

void Moment::find_places(OpId op) {
  const auto mark = [&](Place place, std::vector<OpId> SearchGraph::Op::*next) {
    std::vector<OpId> found = {op};
    while (!found.empty()) {
      const OpId id = found.back();
      found.pop_back();
      for (OpId n : graph_.ops[static_cast<size_t>(id)].*next)
        if (place_[static_cast<size_t>(n)] != place) {
          place_[static_cast<size_t>(n)] = place;
          found.push_back(n);
        }
    }
  };
  mark(Place::behind, &SearchGraph::Op::then);
  mark(Place::before, &SearchGraph::Op::after);
  place_[static_cast<size_t>(op)] = Place::fixed;
  for (size_t i = 0; i < place_.size(); ++i) {
    const SearchGraph::Op& o = graph_.ops[i];
    const bool spoiled = std::any_of(o.spoiled_by.begin(), o.spoiled_by.end(), [&](OpId w) {
      return w == op || place_[static_cast<size_t>(w)] == Place::before ||
             place_[static_cast<size_t>(w)] == Place::fixed;
    });
    if (place_[i] == Place::before && (!o.recomputable || spoiled)) place_[i] = Place::fixed;
  }
}

void Moment::measure(OpId op) {
  const SearchGraph::Op& o = graph_.ops[static_cast<size_t>(op)];
  own_bytes_ = o.workspace;
  std::vector<ValueId> shared;
  for (const auto* operands : {&o.reads, &o.makes})
    for (ValueId v : *operands) {
      operand_[static_cast<size_t>(v)] = true;
      own_bytes_ += graph_.values[static_cast<size_t>(v)].bytes;
    }
  for (const SearchGraph::Share& s : o.shares) {
    if (std::count(shared.begin(), shared.end(), s.out)) continue;
    shared.push_back(s.out);
    own_bytes_ -= graph_.values[static_cast<size_t>(s.out)].bytes;
  }
}

void Moment::build() {
  const double all = graph_.seconds_once();
  scale_ = all > 0 ? kAllSeconds / all : 1;
  const auto wanted = [&](ValueId v) {
    const OpId producer = graph_.values[static_cast<size_t>(v)].producer;
    if (place_[static_cast<size_t>(producer)] == Place::behind || operand_[static_cast<size_t>(v)]) return;
    if (value_node_[static_cast<size_t>(v)] == kNoNode) {
      needs_.push_back(v);
      need(v);
      network_.add_edge(value_node_[static_cast<size_t>(v)], FlowNetwork::kSink, FlowNetwork::kUnlimited);
    }
  };
  for (size_t i = 0; i < place_.size(); ++i)
    if (place_[i] == Place::behind)
      for (ValueId v : graph_.ops[i].reads) wanted(v);
  for (size_t v = 0; v < graph_.values.size(); ++v)
    if (graph_.values[v].to_the_end && graph_.values[v].bytes > 0) wanted(static_cast<ValueId>(v));
  // What the ops that may run again read in turn; needs_ grows no more.
  for (size_t next = 0; next < ops_.size(); ++next) {
    const OpId id = ops_[next].id;
    for (ValueId v : graph_.ops[static_cast<size_t>(id)].reads) {
      if (operand_[static_cast<size_t>(v)]) continue;
      need(v);
      network_.add_edge(value_node_[static_cast<size_t>(v)], op_node_[static_cast<size_t>(id)],
                        FlowNetwork::kUnlimited);
    }
  }
}

/// A node on the sink's side where the value is read behind the op; the edge into it is cut where it is
/// live at the op.
void Moment::need(ValueId value) {
  FlowNetwork::Node& node = value_node_[static_cast<size_t>(value)];
  if (node != kNoNode) return;
  node = network_.add_node();
  const FlowNetwork::Node from = op_node(graph_.values[static_cast<size_t>(value)].producer);
  values_.push_back({value, from, node, network_.add_edge(from, node, 0)});
}

/// A node on the sink's side where the op runs behind.
FlowNetwork::Node Moment::op_node(OpId op) {
  FlowNetwork::Node& node = op_node_[static_cast<size_t>(op)];
  if (place_[static_cast<size_t>(op)] == Place::fixed) return FlowNetwork::kSource;
  if (node != kNoNode) return node;
  node = network_.add_node();
  ops_.push_back({op, FlowNetwork::kSource, node, network_.add_edge(FlowNetwork::kSource, node, 0)});
  return node;
}

/// The cheapest choice where a byte costs `price` and a second `seconds_weight`. `value` is no more than
/// what any choice costs, the rounding of capacities included.
MomentChoice Moment::cut(double price, double seconds_weight, double& value) {
  const auto capacity = [&](double cost) {
    return static_cast<int64_t>(std::min(std::floor(cost * scale_), kMostCapacity));
  };
  const auto repeats = [&](const Item& i) { return place_[static_cast<size_t>(i.id)] == Place::before; };
  for (const Item& i : values_)
    network_.set_capacity(
        i.edge, capacity(price * static_cast<double>(graph_.values[static_cast<size_t>(i.id)].bytes)));
  for (const Item& i : ops_)
    network_.set_capacity(
        i.edge, repeats(i) ? capacity(seconds_weight * graph_.ops[static_cast<size_t>(i.id)].seconds) : 0);
  value = static_cast<double>(network_.cut()) / scale_;
  MomentChoice choice;
  const std::vector<bool>& side = network_.with_source();
  for (const Item& i : values_)
    if (side[i.from] && !side[i.to]) {
      choice.live.push_back(i.id);
      choice.bytes += graph_.values[static_cast<size_t>(i.id)].bytes;
    }
  for (const Item& i : ops_)
    if (!side[i.to] && repeats(i)) {
      choice.rerun.push_back(i.id);
      choice.seconds += graph_.ops[static_cast<size_t>(i.id)].seconds;
    }
  return choice;
}

/// Of the fewest bytes, whatever they take.
MomentChoice Moment::least() {
  const double scale = std::exchange(scale_, 1.0 / kArenaAlignment);
  double value = 0;
  MomentChoice choice = cut(1, 0, value);
  scale_ = scale;
  return choice;
}

int64_t Moment::least_bytes() {
  return own_bytes_ + least().bytes;
}

int64_t Moment::kept_bytes() const {
  int64_t bytes = own_bytes_;
  for (ValueId v : needs_) bytes += graph_.values[static_cast<size_t>(v)].bytes;
  return bytes;
}

MomentBound Moment::bound(int64_t room) {
  MomentBound best;
  const int64_t left = room - own_bytes_;
  const int64_t kept = kept_bytes();
  best.beyond.live = needs_;
  best.beyond.bytes = kept - own_bytes_;
  if (kept <= room) {
    best.fitting = best.beyond;
    return best;
  }
  MomentChoice smallest = least();
  if (smallest.bytes > left) {
    best.seconds = std::numeric_limits<double>::infinity();
    return best;
  }
  best.fitting = std::move(smallest);
  // Between a choice that fits and one that does not, the price at which they cost the same.
  for (int round = 0; round < 60; ++round) {
    const double fewer = static_cast<double>(best.beyond.bytes - best.fitting.bytes);
    const double price = std::max(0.0, (best.fitting.seconds - best.beyond.seconds) / fewer);
    double value = 0;
    MomentChoice choice = cut(price, 1, value);
    best.seconds = std::max(best.seconds, value - price * static_cast<double>(left));
    const double line = best.fitting.seconds + price * static_cast<double>(best.fitting.bytes);
    const double cost = choice.seconds + price * static_cast<double>(choice.bytes);
    if (cost >= line * (1 - 1e-12)) break;
    (choice.bytes <= left ? best.fitting : best.beyond) = std::move(choice);
  }
  return best;
}

}  // namespace tidemark
