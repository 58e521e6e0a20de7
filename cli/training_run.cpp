#include "cli/training_run.h"

#include <nlohmann/json.hpp>

#include "base/median.h"
#include "executor/training/initialize.h"

namespace tidemark::cli {
namespace {

int64_t outside_bytes(const Runtime& runtime) {
  return process_resident_bytes() - runtime.resident_bytes();
}

}  // namespace

TrainingRun::TrainingRun(const BuiltModel& built, const Plan& plan, const DataOptions& data,
                         const LearningRate& rate, int threads)
    : built_(built),
      runtime_(built.training, plan, {.threads = threads}),
      feed_(make_feed(data, built, runtime_)),
      session_(runtime_, rate, data.seed) {
  initialize_parameters(runtime_, data.seed);
}

void TrainingRun::record(const std::string& trace_path) {
  trace_.emplace(runtime_, trace_path,
                 nlohmann::json{{"model", built_.name},
                                {"family", built_.model->family()},
                                {"parameters", built_.training.parameter_count()},
                                {"tokens_per_step", tokens_per_step()},
                                {"dtype", name_of(built_.batch.dtype)},
                                {"tidemark", TIDEMARK_VERSION}});
}

template <typename Part>
void TrainingRun::recording(const Part& part) {
  if (!trace_) return;
  try {
    part(*trace_);
  } catch (const Error& error) {
    trace_error_ = error;
    trace_.reset();
  }
}

void TrainingRun::check_recording() const {
  if (trace_error_) throw Error(*trace_error_);
}

StepResult TrainingRun::step() {
  if (seconds_.empty()) outside_before_ = outside_bytes(runtime_);
  const int64_t number = session_.steps_done();
  const int64_t start_ns = now_ns();
  const auto watch = [this](const Runtime&, int64_t step, int micro_batch) {
    recording([&](TraceCollector& trace) { trace.ran(step, micro_batch); });
  };
  StepResult result = session_.step(feed_.fill, watch);
  recording([&](TraceCollector& trace) { trace.finished(number, result); });
  result.seconds = static_cast<double>(now_ns() - start_ns) * 1e-9;
  seconds_.push_back(result.seconds);
  return result;
}

double TrainingRun::median_step_seconds() const {
  return seconds_.empty() ? 0 : median(seconds_);
}

int64_t TrainingRun::outside_growth_bytes() const {
  return seconds_.empty() ? 0 : outside_bytes(runtime_) - outside_before_;
}

}  // namespace tidemark::cli
