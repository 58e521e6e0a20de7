// Comparison of a run's loss and gradients with a reference file's (tests/data/parity).
#pragma once

#include <map>
#include <set>
#include <string>

#include "executor/io/reference_batch.h"
#include "executor/runtime/runtime.h"

namespace tidemark {

struct Comparison {
  double loss = 0, reference_loss = 0;
  double loss_error = 0;                 ///< relative
  double worst_error = 0;                ///< the largest of any gradient: ||g - reference|| / ||reference||
  std::string worst_gradient;            ///< the parameter it is of
  std::map<std::string, double> errors;  ///< of every gradient

  bool passed(double tolerance) const { return loss_error <= tolerance && worst_error <= tolerance; }
};

/// Copies what the graph takes: a recurrence has no use for positions.
void fill_inputs(Runtime& runtime, const ReferenceBatch& batch);

/// Runs one forward and backward pass on the reference's weights (`weight/…`) and inputs, and compares with
/// `output/loss` and `grad/…`. The graph is one without optimizer, made for `batch`, with a micro-batch for
/// each model of an ensemble: the reference's loss is the mean over these. A parameter in
/// `no_grad` must have a gradient of zeros. Throws Error where the file lacks a tensor, or holds a gradient
/// that the model does not, unless its name is in `tied`: it shares another parameter.
Comparison compare_with_reference(Runtime& runtime, const Model& model, const ReferenceBatch& batch,
                                  const TensorReader& reference, const std::set<std::string>& no_grad = {},
                                  const std::set<std::string>& tied = {});

}  // namespace tidemark
