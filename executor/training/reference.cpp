#include "executor/training/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "executor/training/state.h"
#include "graph/autodiff.h"
#include "graph/stacked.h"

namespace tidemark {
namespace {

/// ||a - b|| / ||b||, and ||a|| where b is zero. What is not finite is infinitely wrong.
double relative_error(const float* a, const float* b, int64_t n) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double d = double{a[i]} - double{b[i]};
    difference += d * d;
    size += double{b[i]} * double{b[i]};
  }
  const double error = size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

void check_complete(const Graph& graph, const TensorReader& reference, const std::set<std::string>& tied) {
  const std::string prefix = "grad/";
  std::set<std::string> known;
  for (ValueId id : graph.trained_parameters())
    for (const PublishedTensor& tensor : published_tensors(graph.value(id).name, graph.value(id).type))
      known.insert(tensor.name);
  for (const auto& [name, tensor] : reference.tensors()) {
    if (!name.starts_with(prefix)) continue;
    const std::string parameter = name.substr(prefix.size());
    if (!known.contains(parameter) && !tied.contains(parameter))
      throw Error("cannot compare", reference.path() + ", tensor '" + name + "'",
                  "the model has no such parameter", "use the reference of this config");
  }
}

/// The mean loss of the batch over the model's ensemble; gradients are left in the runtime.
double run_batch(Runtime& runtime, const Model& model, const ReferenceBatch& batch) {
  const BatchView inputs = input_view(runtime);
  double loss = 0;
  runtime.prepare();
  for (int m = 0; m < runtime.plan().micro_batches; ++m) {
    fill_inputs(runtime, batch);
    model.fill_constants(m, inputs);
    runtime.run_micro_batch();
    loss += double{*static_cast<const float*>(runtime.data(loss_of(runtime.graph())))};
  }
  return loss / runtime.plan().micro_batches;
}

}  // namespace

void fill_inputs(Runtime& runtime, const ReferenceBatch& batch) {
  for (const auto& [name, values] : batch.inputs)
    if (runtime.graph().find(name) != kNone)
      std::copy(values.begin(), values.end(), runtime.data<int32_t>(name));
  if (!batch.x.empty()) std::copy(batch.x.begin(), batch.x.end(), runtime.data<float>("x"));
}

Comparison compare_with_reference(Runtime& runtime, const Model& model, const ReferenceBatch& batch,
                                  const TensorReader& reference, const std::set<std::string>& no_grad,
                                  const std::set<std::string>& tied) {
  const Graph& graph = runtime.graph();
  check_complete(graph, reference, tied);
  load_parameters(runtime, reference, "weight/");

  Comparison result;
  result.loss = run_batch(runtime, model, batch);
  float reference_loss = 0;
  const bool scalar = reference.require("output/loss").shape.empty();
  reference.read("output/loss", {DType::f32, scalar ? Shape{} : Shape{1}}, &reference_loss);
  result.reference_loss = double{reference_loss};
  result.loss_error = std::abs(result.loss - result.reference_loss) / std::abs(result.reference_loss);

  std::vector<float> expected;
  const std::vector<ValueId> parameters = graph.trained_parameters();
  for (size_t i = 0; i < parameters.size(); ++i)
    for (const TensorSlot& gradient :
         published_slots(runtime, graph.outputs()[i + 1], graph.value(parameters[i]).name)) {
      expected.assign(static_cast<size_t>(gradient.type.shape.elements()), 0.0f);
      if (!no_grad.contains(gradient.name))
        reference.read("grad/" + gradient.name, gradient.type, expected.data());
      const double error = relative_error(static_cast<const float*>(gradient.data), expected.data(),
                                          gradient.type.shape.elements());
      if (error > result.worst_error || result.worst_gradient.empty()) {
        result.worst_error = error;
        result.worst_gradient = gradient.name;
      }
      result.errors[gradient.name] = error;
    }
  return result;
}

}  // namespace tidemark
