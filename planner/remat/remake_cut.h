// What is live at a moment of a step and what runs again behind it, where bytes and seconds have a price.
//
// What is read behind the moment is live at it, or its producer runs again, and so what that reads in turn.
// The cheapest choice is a minimum cut: the capacity of a value's edge is its bytes' price, that of an op's
// edge its seconds'.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/remat/flow_network.h"
#include "planner/remat/search_graph.h"

namespace tidemark {

struct RemakeChoice {
  double seconds = 0;         ///< of the ops that run again
  int64_t bytes = 0;          ///< live
  std::vector<ValueId> live;  ///< what these bytes are
  std::vector<OpId> rerun;    ///< what takes these seconds
};

class RemakeCut {
 public:
  /// Behind the moment, an op…
  enum class Behind : uint8_t {
    never,  ///< does not run, so what it makes is live at it
    again,  ///< may run again
    free,   ///< may run, which costs nothing
  };

  /// `behind`: by op. `there`: by value, true where nothing is asked for it to be there.
  RemakeCut(const SearchGraph& graph, std::vector<Behind> behind, std::vector<bool> there);

  /// The value is read behind the moment.
  void need(ValueId value);
  const std::vector<ValueId>& needs() const { return needs_; }
  int64_t needed_bytes() const { return bytes_of(needs_); }  ///< if nothing ran again

  /// The cheapest choice, and no more than what any choice costs, the rounding of capacities included.
  struct Cheapest {
    RemakeChoice choice;
    double cost = 0;
  };
  Cheapest cheapest(double price_of_byte, double price_of_second);
  RemakeChoice fewest_bytes();

 private:
  static constexpr FlowNetwork::Node kNoNode = 0;
  struct Item {
    int32_t id;  // value or op
    FlowNetwork::Node from, to;
    size_t edge;
  };

  FlowNetwork::Node value_node(ValueId value);
  FlowNetwork::Node op_node(OpId op);
  RemakeChoice cut(double price_of_byte, double price_of_second, double scale, int64_t& capacity);
  int64_t bytes_of(const std::vector<ValueId>& values) const;
  bool costs(const Item& op) const { return behind_[static_cast<size_t>(op.id)] == Behind::again; }

  const SearchGraph& graph_;
  std::vector<Behind> behind_;
  std::vector<bool> there_;
  std::vector<ValueId> needs_;
  std::vector<bool> is_needed_;  // by value
  FlowNetwork network_;
  std::vector<Item> values_, ops_;  // cut where the value is live, where the op runs again
  std::vector<FlowNetwork::Node> value_node_, op_node_;
  size_t expanded_ = 0;  // of ops_, those whose reads have their nodes
  double scale_ = 1;     // of seconds to capacities
};

}  // namespace tidemark
