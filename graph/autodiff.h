// Reverse-mode differentiation of a forward graph, and the joint training graph.
//
// Backward ops are ordinary ops of phase `backward` whose `source` is the forward op they
// differentiate; what a gradient needs saved is what it reads.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace tidemark {

/// Adds to `graph` the backward ops that carry `seeds` (value, its gradient) to the values in `wrt`,
/// visiting ops in reverse. Gradients that meet are summed in a fixed order. Returns the gradient of
/// each of `wrt`, kNone where nothing depends on it.
std::vector<ValueId> differentiate(Graph& graph, const std::vector<std::pair<ValueId, ValueId>>& seeds,
                                   const std::vector<ValueId>& wrt);

/// AdamW with decoupled weight decay (Loshchilov & Hutter 2019).
struct AdamW {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
  double clip_norm = 1.0;     ///< global L2 norm of all gradients; 0: no clipping
  bool decay_vectors = true;  ///< whether one-dimensional parameters decay, too
  /// f32 copies of bf16 parameters. Without, these are rounded stochastically: up as often as keeps the mean.
  bool masters = true;
  bool decay_all = false;  ///< whether also what a parameter's group or shape exempts decays
};

struct TrainingOptions {
  std::optional<AdamW> optimizer = AdamW{};  ///< none: gradients are the graph's outputs
  int micro_batches = 1;                     ///< gradient accumulation
};

/// The forward graph's ops, their backward ops and, where asked for, the optimizer's.
///
/// `forward` must have one op that is a loss (OpDef::loss_gradient), such as `linear_cross_entropy`; the
/// joint graph has in its place the op that makes the loss and its gradient in one pass.
/// Adds the sources `optimizer.hyper` f32[4] (learning rate, 1-beta1^t, 1-beta2^t, 0), and per
/// parameter P `P.adam_m`, `P.adam_v` f32 and, for bf16 parameters, `P.master` f32, or where there are to be
/// no masters `optimizer.seed` i32[2] for all of them. With
/// micro_batches > 1 gradients accumulate in sources `P.grad_sum`.
/// Marks as outputs the loss first, then with an optimizer that clips the gradients' norm, or without
/// optimizer every parameter's gradient in the order of trained_parameters().
Graph make_training_graph(const Graph& forward, const TrainingOptions& options);

/// The loss value of a training graph.
ValueId loss_of(const Graph& training);

}  // namespace tidemark
