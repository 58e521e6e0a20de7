// The mechanism of reverse-mode differentiation, shared by differentiate() and make_training_graph().
#pragma once

#include <vector>

#include "graph/graph.h"

namespace tidemark {

/// One reverse sweep over the ops that stood in the graph when it began.
class ReverseSweep {
 public:
  ReverseSweep(Graph& graph, const std::vector<ValueId>& wrt);

  /// `value` has this gradient, which came through the forward op `source`.
  void add(ValueId value, ValueId gradient, OpId source);
  /// Removes and returns what `value` has received so far, kNone if nothing.
  ValueId take(ValueId value);
  /// Gradients of `value` add up in place, onto `accumulator`.
  void accumulate_into(ValueId value, ValueId accumulator) {
    contributions_[static_cast<size_t>(value)].push_back({accumulator, kNone, true});
  }
  /// Adds the op that makes `loss`, which is not in the graph, together with its gradients times `scale`
  /// (OpDef::loss_gradient), on behalf of the forward op `source`. Returns the loss.
  ValueId add_loss(const Op& loss, OpId source, double scale);
  void run();
  /// The sum of what `value` received, kNone if nothing.
  ValueId gradient(ValueId value) { return settle(value); }

 private:
  class Context;

  void mark_wanted(const std::vector<ValueId>& wrt);
  ValueId settle(ValueId value);

  struct Contribution {
    ValueId gradient;
    OpId source;               ///< the forward op it came through
    bool accumulator = false;  ///< storage to add to, not only a summand
  };

  Graph& graph_;
  size_t forward_ops_;
  std::vector<bool> wanted_;  ///< of each value: a path leads from `wrt` to it
  std::vector<std::vector<Contribution>> contributions_;
};

}  // namespace tidemark
