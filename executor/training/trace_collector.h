// Records a training run into a `.tide` trace.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "executor/training/session.h"
#include "profiler/trace_writer.h"

namespace tidemark {

/// What it costs a step: a write(2) and a few bytes per op for every micro-batch, and one count of the
/// arena's pages.
class TraceCollector {
 public:
  /// Replaces `path`. The plan's facts are added to `metadata`. `runtime` must outlive it. Throws Error if
  /// the file cannot be written.
  TraceCollector(const Runtime& runtime, const std::string& path, nlohmann::json metadata);

  /// A Session::Watch: after each micro-batch, and with -1 after the optimizer.
  void ran(int64_t training_step, int micro_batch);
  /// After a whole step: what Session::step returned.
  void finished(int64_t training_step, const StepResult& result);

 private:
  void record(int64_t training_step, int micro_batch, Phase first, Phase last);

  const Runtime& runtime_;
  std::vector<int32_t> phase_begin_;  ///< program step at which each phase begins; then their number
  TraceWriter writer_;
  int64_t step_start_ns_ = 0;
};

}  // namespace tidemark
