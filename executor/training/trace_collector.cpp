#include "executor/training/trace_collector.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "executor/training/trace_tables.h"

namespace tidemark {
namespace {

nlohmann::json with_plan(nlohmann::json metadata, const Runtime& runtime) {
  const Plan& plan = runtime.plan();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  metadata.update({{"started_unix_ns", std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()},
                   {"graph_fingerprint", plan.graph_fingerprint},
                   {"strategy", plan.strategy},
                   {"budget_bytes", plan.budget_bytes},
                   {"predicted_peak_bytes", plan.arena_bytes},
                   {"predicted_seconds", plan.predicted_seconds},
                   {"micro_batches", plan.micro_batches},
                   {"device", plan.device.name},
                   {"threads", runtime.threads()}});
  return metadata;
}

std::vector<int32_t> phase_begins(const Runtime& runtime) {
  const Schedule& schedule = runtime.plan().schedule;
  const auto starts = phase_starts(runtime.graph(), schedule);
  std::vector<int32_t> begins(starts.begin(), starts.end());
  begins.push_back(static_cast<int32_t>(schedule.steps.size()));
  return begins;
}

}  // namespace

TraceCollector::TraceCollector(const Runtime& runtime, const std::string& path, nlohmann::json metadata)
    : runtime_(runtime),
      phase_begin_(phase_begins(runtime)),
      writer_(path, with_plan(std::move(metadata), runtime), trace_buffers(runtime.graph(), runtime.plan()),
              trace_program(runtime.graph(), runtime.plan())) {}

void TraceCollector::record(int64_t training_step, int micro_batch, Phase first, Phase last) {
  const int32_t begin = phase_begin_[static_cast<size_t>(first)];
  const int32_t end = phase_begin_[static_cast<size_t>(last) + 1];
  const std::span<const TimeSpan> times = runtime_.times();
  writer_.run(training_step, micro_batch, begin,
              times.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
}

void TraceCollector::ran(int64_t training_step, int micro_batch) {
  if (micro_batch == 0) {
    step_start_ns_ = runtime_.times().front().start_ns;
    record(training_step, -1, Phase::prepare, Phase::prepare);
  }
  if (micro_batch >= 0)
    record(training_step, micro_batch, Phase::forward, Phase::backward);
  else
    record(training_step, micro_batch, Phase::optimizer, Phase::optimizer);
}

void TraceCollector::finished(int64_t training_step, const StepResult& result) {
  writer_.step({.number = training_step,
                .start_ns = step_start_ns_,
                .end_ns = now_ns(),
                .loss = result.loss,
                .grad_norm = result.grad_norm,
                .arena_resident_bytes = runtime_.resident_bytes(),
                .process_resident_bytes = process_resident_bytes()});
}

}  // namespace tidemark
