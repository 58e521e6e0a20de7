#include "executor/training/density.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "executor/training/state.h"
#include "graph/op_def.h"

namespace tidemark {
namespace {

const Op& loss_op(const Graph& graph) {
  for (const Op& op : graph.ops())
    if (op.def->name == "binary_cross_entropy") return op;
  throw InternalError("not a density graph: it has no binary_cross_entropy");
}

TensorSlot input_of(const Runtime& runtime, const std::string& name) {
  return {name, runtime.graph().value(runtime.graph().require(name)).type, runtime.data<void>(name)};
}

/// -log of the mean of e^-x.
double ensemble_nll(const double* nll, int64_t n) {
  const double least = *std::min_element(nll, nll + n);
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += std::exp(least - nll[k]);
  return least - std::log(sum / static_cast<double>(n));
}

}  // namespace

Graph density_graph(const Model& model, int64_t images) {
  Graph graph =
      model.build({.tokens = images * model.pixels(), .sequences = images, .max_length = model.pixels()});
  const Op& loss = loss_op(graph);
  const ValueId logits = loss.inputs[0], nll = loss.outputs[1];
  graph.mark_output(logits);
  graph.mark_output(nll);
  return graph;
}

DensityEstimate estimate_density(Runtime& runtime, const Model& model, const ImageBatchMaker& images,
                                 int64_t orderings, int64_t limit) {
  const TensorSlot x = input_of(runtime, "x");
  const IntegerInputs inputs = input_view(runtime);
  const auto* nll = static_cast<const float*>(runtime.data(loss_op(runtime.graph()).outputs[1]));
  const int64_t rows = x.type.shape[0];
  DensityEstimate estimate;
  estimate.images = limit > 0 ? std::min(limit, images.source().size()) : images.source().size();
  estimate.orderings = orderings;
  std::vector<double> all(static_cast<size_t>(rows * orderings));  // [rows, orderings]
  for (int64_t first = 0; first < estimate.images; first += rows) {
    images.fill(first / rows, x);
    for (int64_t k = 0; k < orderings; ++k) {
      model.fill_constants(k, inputs);
      runtime.run_micro_batch();
      for (int64_t row = 0; row < rows; ++row)
        all[static_cast<size_t>(row * orderings + k)] = double{nll[row]};
    }
    for (int64_t row = 0; row < std::min(rows, estimate.images - first); ++row) {
      const double* own = all.data() + row * orderings;
      estimate.nll += ensemble_nll(own, orderings);
      for (int64_t k = 0; k < orderings; ++k) estimate.single_nll += own[k] / static_cast<double>(orderings);
    }
  }
  estimate.nll /= static_cast<double>(estimate.images);
  estimate.single_nll /= static_cast<double>(estimate.images);
  return estimate;
}

std::vector<float> sample_images(Runtime& runtime, const Model& model, uint64_t seed) {
  const TensorSlot x = input_of(runtime, "x");
  const int64_t rows = x.type.shape[0], pixels = x.type.shape[1];
  auto* const images = static_cast<float*>(x.data);
  const auto* logits = static_cast<const float*>(runtime.data(loss_op(runtime.graph()).inputs[0]));
  model.fill_constants(0, input_view(runtime));
  std::fill_n(images, rows * pixels, 0.0f);
  for (const int32_t pixel : model.pixel_order(0)) {
    runtime.run_micro_batch();
    for (int64_t row = 0; row < rows; ++row) {
      const double p = 1 / (1 + std::exp(-double{logits[row * pixels + pixel]}));
      const uint64_t random = random_at({seed, static_cast<uint64_t>(row), static_cast<uint64_t>(pixel)});
      images[row * pixels + pixel] = unit_interval(random) < p ? 1.0f : 0.0f;
    }
  }
  return {images, images + rows * pixels};
}

}  // namespace tidemark
