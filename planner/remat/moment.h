// What one moment of a step proves about every order: the relaxation behind the lower bound.
//
// When an op runs for the first time, all it depends on has run and nothing that depends on it has. What
// the latter still read is then live, or made again behind it. Choosing what is live and what is made
// again, with all that this takes in turn, is a minimum cut: with a price on bytes, the capacity of a
// value's edge is its bytes' price, that of an op's edge its seconds. The best price gives the Lagrangian
// bound: no order that fits runs less again.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/remat/flow_network.h"
#include "planner/remat/search_graph.h"

namespace tidemark {

/// One way to get over the moment.
struct MomentChoice {
  double seconds = 0;         ///< of the ops that run again behind it
  int64_t bytes = 0;          ///< live, besides the op's own operands
  std::vector<ValueId> live;  ///< what these bytes are
  std::vector<OpId> rerun;    ///< what takes these seconds
};

struct MomentBound {
  double seconds = 0;    ///< of ops that every order that fits runs again; infinite: none fits
  MomentChoice fitting;  ///< the best choice at the best price that fits
  MomentChoice beyond;   ///< the best at the same price that needs more bytes than there are
};

class Moment {
 public:
  Moment(const SearchGraph& graph, OpId op);

  /// Live bytes, without the persistent ones, that every order needs while the op runs.
  int64_t least_bytes();
  /// The same if nothing is made again behind the op.
  int64_t kept_bytes() const;
  /// `room`: bytes for all that is live and not persistent.
  MomentBound bound(int64_t room);

 private:
  enum class Place : uint8_t {
    before,     ///< runs before the op, and may run again behind it
    fixed,      ///< runs before it and never again
    unordered,  ///< before it or behind it
    behind,     ///< first runs behind it
  };
  static constexpr FlowNetwork::Node kNoNode = 0;

  void find_places(OpId op);
  void measure(OpId op);
  void build();
  void need(ValueId value);
  FlowNetwork::Node op_node(OpId op);
  MomentChoice cut(double price, double seconds_weight, double& value);
  MomentChoice least();

  const SearchGraph& graph_;
  std::vector<Place> place_;   // by op
  std::vector<bool> operand_;  // by value: the op reads or makes it
  int64_t own_bytes_ = 0;      // of the op's operands and workspace, as little as sharing may leave of them
  std::vector<ValueId> needs_;

  FlowNetwork network_;
  struct Item {
    int32_t id;  // value or op
    FlowNetwork::Node from, to;
    size_t edge;
  };
  std::vector<Item> values_, ops_;  // cut where the value is live, where the op runs again
  std::vector<FlowNetwork::Node> value_node_, op_node_;
  double scale_ = 1;  // of seconds to capacities
};

}  // namespace tidemark
