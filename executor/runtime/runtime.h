// Executes a plan: every op of a training step, at the planned place, in the planned order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "executor/runtime/arena.h"
#include "executor/runtime/backend.h"
#include "planner/plan.h"

namespace tidemark {

/// Owns the arena, through its backend.
class Runtime {
 public:
  /// `graph` and `plan` must outlive it. Throws Error where the plan is not for this graph, asks for fewer
  /// threads than given, or is for a device that is not here.
  Runtime(const Graph& graph, const Plan& plan, const RuntimeOptions& options = {});
  Runtime(const Graph&, Plan&&, const RuntimeOptions& = {}) = delete;

  const Graph& graph() const { return graph_; }
  const Plan& plan() const { return plan_; }
  int threads() const { return backend_->threads(); }

  /// A source's bytes at any time, an output's after the phase that makes it; how long the address is good,
  /// Backend::host says. Throws InternalError for any other value, whose bytes are already somebody else's.
  void* data(ValueId value) const;
  /// The same by name; throws Error if there is no such value.
  template <typename T>
  T* data(const std::string& name) const {
    return static_cast<T*>(data(graph_.require(name)));
  }

  /// One step is prepare(), then for each micro-batch (its inputs filled) run_micro_batch(), then
  /// optimize().
  void prepare() { run(prepare_); }
  void run_micro_batch() { run(body_); }
  /// The steps of a micro-batch up to the one that makes `output`, such as the loss, in the same memory:
  /// what outlives a step stays as it is.
  void run_forward(ValueId output);
  void optimize() { run(optimize_); }

  /// Times of the last run of each of the plan's steps, by step index.
  const std::vector<TimeSpan>& times() const { return times_; }

  int64_t resident_bytes() const { return backend_->resident_bytes(); }

 private:
  struct Range {
    int32_t begin = 0, end = 0;
  };
  void run(const Range& steps) { backend_->run(steps.begin, steps.end, times_); }

  const Graph& graph_;
  const Plan& plan_;
  std::unique_ptr<Backend> backend_;
  std::vector<int32_t> final_buffer_;  ///< of each value: where it is after the last step, or kNone
  std::vector<int32_t> home_;          ///< of each value: the host buffer that it lives in, or kNone
  std::vector<TimeSpan> times_;
  Range prepare_, body_, optimize_;
};

}  // namespace tidemark
