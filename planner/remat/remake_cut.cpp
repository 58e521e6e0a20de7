#include "planner/remat/remake_cut.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "planner/plan.h"

namespace tidemark {
namespace {

constexpr double kAllSeconds = 1LL << 40;    // capacity of all ops together
constexpr double kMostCapacity = 1LL << 42;  // of one edge: more than it is ever worth to cut

}  // namespace

RemakeCut::RemakeCut(const SearchGraph& graph, std::vector<Behind> behind, std::vector<bool> there)
    : graph_(graph),
      behind_(std::move(behind)),
      there_(std::move(there)),
      is_needed_(graph.values.size(), false),
      value_node_(graph.values.size(), kNoNode),
      op_node_(graph.ops.size(), kNoNode) {
  const double all = graph_.seconds_once();
  scale_ = all > 0 ? kAllSeconds / all : 1;
}

void RemakeCut::need(ValueId value) {
  if (there_[static_cast<size_t>(value)] || is_needed_[static_cast<size_t>(value)]) return;
  is_needed_[static_cast<size_t>(value)] = true;
  needs_.push_back(value);
  network_.add_edge(value_node(value), FlowNetwork::kSink, FlowNetwork::kUnlimited);
  // What the ops that may run read in turn.
  for (; expanded_ < ops_.size(); ++expanded_) {
    const OpId id = ops_[expanded_].id;
    for (ValueId v : graph_.ops[static_cast<size_t>(id)].reads)
      if (!there_[static_cast<size_t>(v)])
        network_.add_edge(value_node(v), op_node_[static_cast<size_t>(id)], FlowNetwork::kUnlimited);
  }
}

/// On the sink's side where the value is read behind the moment; the edge into it is cut where it is live.
FlowNetwork::Node RemakeCut::value_node(ValueId value) {
  FlowNetwork::Node& node = value_node_[static_cast<size_t>(value)];
  if (node != kNoNode) return node;
  node = network_.add_node();
  const FlowNetwork::Node from = op_node(graph_.values[static_cast<size_t>(value)].producer);
  values_.push_back({value, from, node, network_.add_edge(from, node, 0)});
  return node;
}

/// On the sink's side where the op runs behind the moment.
FlowNetwork::Node RemakeCut::op_node(OpId op) {
  FlowNetwork::Node& node = op_node_[static_cast<size_t>(op)];
  if (behind_[static_cast<size_t>(op)] == Behind::never) return FlowNetwork::kSource;
  if (node != kNoNode) return node;
  node = network_.add_node();
  ops_.push_back({op, FlowNetwork::kSource, node, network_.add_edge(FlowNetwork::kSource, node, 0)});
  return node;
}

RemakeChoice RemakeCut::cut(double price_of_byte, double price_of_second, double scale, int64_t& capacity) {
  const auto capacity_of = [&](double cost) {
    return static_cast<int64_t>(std::min(std::floor(cost * scale), kMostCapacity));
  };
  const auto bytes = [&](const Item& i) { return graph_.values[static_cast<size_t>(i.id)].bytes; };
  const auto seconds = [&](const Item& i) { return graph_.ops[static_cast<size_t>(i.id)].seconds; };
  for (const Item& i : values_)
    network_.set_capacity(i.edge, capacity_of(price_of_byte * static_cast<double>(bytes(i))));
  for (const Item& i : ops_)
    network_.set_capacity(i.edge, costs(i) ? capacity_of(price_of_second * seconds(i)) : 0);
  capacity = network_.cut();
  RemakeChoice choice;
  const std::vector<bool>& side = network_.with_source();
  for (const Item& i : values_)
    if (side[i.from] && !side[i.to]) choice.live.push_back(i.id);
  choice.bytes = bytes_of(choice.live);
  for (const Item& i : ops_)
    if (!side[i.to] && costs(i)) {
      choice.rerun.push_back(i.id);
      choice.seconds += seconds(i);
    }
  return choice;
}

RemakeCut::Cheapest RemakeCut::cheapest(double price_of_byte, double price_of_second) {
  int64_t capacity = 0;
  RemakeChoice choice = cut(price_of_byte, price_of_second, scale_, capacity);
  return {std::move(choice), static_cast<double>(capacity) / scale_};
}

RemakeChoice RemakeCut::fewest_bytes() {
  int64_t capacity = 0;
  return cut(1, 0, 1.0 / kArenaAlignment, capacity);
}

int64_t RemakeCut::bytes_of(const std::vector<ValueId>& values) const {
  int64_t bytes = 0;
  for (ValueId v : values) bytes += graph_.values[static_cast<size_t>(v)].bytes;
  return bytes;
}

}  // namespace tidemark
