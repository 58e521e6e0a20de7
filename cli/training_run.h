// A training run put together from options: shared by `profile` and `train`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/data_options.h"
#include "executor/training/session.h"
#include "executor/training/trace_collector.h"

namespace tidemark::cli {

class TrainingRun {
 public:
  /// `built` and `plan` must outlive it. Parameters are drawn from the data's seed. `threads` 0: the plan's.
  TrainingRun(const BuiltModel& built, const Plan& plan, const DataOptions& data, const LearningRate& rate,
              int threads);

  Runtime& runtime() { return runtime_; }
  Session& session() { return session_; }
  const DataFeed& feed() const { return feed_; }
  int64_t tokens_per_step() const { return built_.batch.tokens * runtime_.plan().micro_batches; }

  /// Call before the first step. A trace that can no longer be written ends the recording, not the run.
  void record(const std::string& trace_path);
  void check_recording() const;  ///< throws the Error that ended it, if one did
  StepResult step();             ///< its seconds include the recording

  double median_step_seconds() const;  ///< of the steps of this run; 0 before the first
  /// Memory of the process outside the arena, now less before the first step.
  int64_t outside_growth_bytes() const;

 private:
  const BuiltModel& built_;
  Runtime runtime_;
  DataFeed feed_;
  Session session_;
  /// Calls `part` with the recorder, while there is one.
  template <typename Part>
  void recording(const Part& part);

  std::optional<TraceCollector> trace_;
  std::optional<Error> trace_error_;
  std::vector<double> seconds_;
  int64_t outside_before_ = 0;
};

}  // namespace tidemark::cli
