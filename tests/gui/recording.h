// A real plan of a preset, and traces of runs of it with made-up op times: what `tidemark profile` and
// `tidemark plan` would write, without running anything.
#pragma once

#include <string>
#include <vector>

#include "planner/plan.h"
#include "profiler/trace_writer.h"

namespace tidemark::test {

struct RunShape {
  std::string preset = "llama-tiny";
  int64_t batch = 4, length = 128;
  int64_t budget_percent = 0;  ///< of the unplanned peak; 0: no budget
  int micro_batches = 1;
};

class Recording {
 public:
  explicit Recording(const RunShape& shape = {});

  const Graph& graph() const { return graph_; }
  const Plan& plan() const { return plan_; }

  void save_plan(const std::string& path) const;
  /// The tables of a trace of this plan.
  TraceWriter start_trace(const std::string& path) const;
  /// All runs of a training step, with its record unless `complete` is false. Ops take what the plan
  /// predicts, with some noise, and pauses between them.
  void write_step(TraceWriter& writer, int64_t training_step, bool complete = true) const;
  void save_trace(const std::string& path, int64_t training_steps = 3) const;

 private:
  Graph graph_;
  Plan plan_;
};

}  // namespace tidemark::test
