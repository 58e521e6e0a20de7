#include "cli/loss_chunks.h"

#include <algorithm>

#include "base/error.h"

namespace tidemark::cli {
namespace {

constexpr int64_t kFewestRows = 16;
/// Of a step: what a larger chunk has to gain to be tried.
constexpr double kWorthwhile = 1e-3;

const Op* chunked_loss(const Graph& graph) {
  const auto& ops = graph.ops();
  const auto found = std::find_if(ops.begin(), ops.end(),
                                  [](const Op& op) { return op.def->name == "linear_cross_entropy_grad"; });
  return found == ops.end() ? nullptr : &*found;
}

Planned planned(ModelOptions model, int64_t rows, const std::function<Planned(const ModelOptions&)>& plan) {
  model.loss_chunk_rows = rows;
  return plan(model);
}

double loss_seconds(const Planned& p) {
  const Graph& graph = p.built.training;
  return p.request.times.seconds[static_cast<size_t>(chunked_loss(graph) - graph.ops().data())];
}

}  // namespace

int64_t Planned::loss_chunk_rows() const {
  const Op* loss = chunked_loss(built.training);
  if (!loss)
    throw Error("bad usage", "--tune-loss-chunks", "the loss of " + built.name + " has no chunks",
                "leave it out");
  return loss->attributes.integer("chunk_rows");
}

Planned plan_with_best_loss_chunks(const ModelOptions& model,
                                   const std::function<Planned(const ModelOptions&)>& plan) {
  Planned best = plan(model);
  int64_t rows = best.loss_chunk_rows();
  while (!best.result.plan && rows / 2 >= kFewestRows) best = planned(model, rows /= 2, plan);
  const int64_t tokens = std::max(best.built.batch.tokens, best.built.batch.target_tokens);
  double last = loss_seconds(best);
  while (best.result.plan && rows == best.loss_chunk_rows() && rows < tokens) {
    Planned larger = planned(model, rows *= 2, plan);
    const double seconds = loss_seconds(larger);
    if (last - seconds < kWorthwhile * best.result.plan->unplanned_seconds || !larger.result.plan) break;
    last = seconds;
    if (larger.result.plan->predicted_seconds < best.result.plan->predicted_seconds) best = std::move(larger);
  }
  return best;
}

}  // namespace tidemark::cli
