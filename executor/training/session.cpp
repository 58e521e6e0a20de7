#include "executor/training/session.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>
#include <string>

#include "base/error.h"
#include "graph/autodiff.h"
#include "graph/op_def.h"

namespace tidemark {

double LearningRate::at(int64_t step) const {
  if (step < warmup_steps) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  if (decay == Decay::inverse_square_root)
    return peak *
           std::sqrt(static_cast<double>(std::max<int64_t>(1, warmup_steps)) / static_cast<double>(step + 1));
  if (total_steps <= warmup_steps) return peak;
  const double progress = std::min(
      1.0, static_cast<double>(step - warmup_steps) / static_cast<double>(total_steps - warmup_steps));
  const double floor = peak * final_fraction;
  return floor + (peak - floor) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

Session::Session(Runtime& runtime, LearningRate rate, uint64_t seed)
    : runtime_(runtime), rate_(rate), seed_(seed), micro_batches_(runtime.plan().micro_batches) {
  const Graph& graph = runtime.graph();
  hyper_ = runtime.data<float>("optimizer.hyper");
  loss_ = static_cast<const float*>(runtime.data(loss_of(graph)));
  if (const ValueId id = graph.find("optimizer.grad_norm"); id != kNone)
    norm_ = static_cast<const float*>(runtime.data(id));
  if (const ValueId id = graph.find("seed"); id != kNone)
    dropout_seed_ = static_cast<int32_t*>(runtime.data(id));
  if (const ValueId id = graph.find("optimizer.seed"); id != kNone)
    rounding_seed_ = static_cast<int32_t*>(runtime.data(id));
  for (const Op& op : graph.ops())
    if (op.def->name == "adamw") {
      beta1_ = op.attributes.number("beta1");
      beta2_ = op.attributes.number("beta2");
    }
}

void Session::set_hyper() {
  const auto t = static_cast<double>(steps_done_ + 1);
  hyper_[0] = static_cast<float>(rate_.at(steps_done_));
  hyper_[1] = static_cast<float>(1 - std::pow(beta1_, t));
  hyper_[2] = static_cast<float>(1 - std::pow(beta2_, t));
  hyper_[3] = 0;
  if (!rounding_seed_) return;
  rounding_seed_[0] = static_cast<int32_t>(seed_ ^ (seed_ >> 32));
  rounding_seed_[1] = static_cast<int32_t>(steps_done_);
}

void Session::set_seed(int micro_batch, Dropout dropout) {
  if (!dropout_seed_) return;
  dropout_seed_[0] = static_cast<int32_t>(seed_ ^ (seed_ >> 32));
  dropout_seed_[1] = static_cast<int32_t>(steps_done_ * micro_batches_ + micro_batch);
  dropout_seed_[2] = dropout == Dropout::off;
}

StepResult Session::step(const Feed& feed, const Watch& watch) {
  const auto begin = std::chrono::steady_clock::now();
  StepResult result;
  set_hyper();
  runtime_.prepare();
  for (int m = 0; m < micro_batches_; ++m) {
    feed(runtime_, steps_done_, m);
    set_seed(m, Dropout::on);
    runtime_.run_micro_batch();
    result.loss += static_cast<double>(*loss_) / micro_batches_;
    if (watch) watch(runtime_, steps_done_, m);
  }
  if (!std::isfinite(result.loss))
    throw Error("training stopped", "step " + std::to_string(steps_done_ + 1), "the loss is not finite",
                "lower --learning-rate or resume from the last checkpoint", ExitCode::failure);
  runtime_.optimize();
  if (watch) watch(runtime_, steps_done_, -1);
  if (norm_) result.grad_norm = static_cast<double>(*norm_);
  ++steps_done_;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

double Session::validate(const Feed& feed, int64_t batches) {
  const ValueId loss = loss_of(runtime_.graph());
  double total = 0;
  runtime_.prepare();
  for (int64_t batch = 0; batch < batches; ++batch) {
    feed(runtime_, batch, 0);
    set_seed(0, Dropout::off);
    runtime_.run_forward(loss);
    total += double{*loss_};
  }
  return total / static_cast<double>(batches);
}

}  // namespace tidemark
