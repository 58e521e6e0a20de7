// Executes a plan: every op of a training step, at the planned place, in the planned order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "executor/kernel.h"
#include "executor/runtime/arena.h"
#include "executor/runtime/guard.h"
#include "planner/plan.h"

namespace tidemark {

struct RuntimeOptions {
  int threads = 0;  ///< 0: the plan's; more than the plan's is refused, its workspaces are sized for that
  GuardMode guard = GuardMode::off;
};

/// Owns the arena. Nothing is allocated once the constructor has returned.
class Runtime {
 public:
  /// `graph` and `plan` must outlive it. Throws Error where the plan is not for this graph or asks for
  /// fewer threads than given.
  Runtime(const Graph& graph, const Plan& plan, const RuntimeOptions& options = {});
  ~Runtime();

  const Graph& graph() const { return graph_; }
  const Plan& plan() const { return plan_; }
  int threads() const;

  /// A source's bytes at any time, an output's after the phase that makes it. Throws InternalError for
  /// any other value, whose bytes are already somebody else's.
  void* data(ValueId value) const;
  /// The same by name; throws Error if there is no such value.
  template <typename T>
  T* data(const std::string& name) const {
    return static_cast<T*>(data(graph_.require(name)));
  }

  /// One step is prepare(), then for each micro-batch (its inputs filled) run_micro_batch(), then
  /// optimize().
  void prepare();
  void run_micro_batch();
  /// The steps of a micro-batch up to the one that makes `output`, such as the loss, in the same memory:
  /// what outlives a step stays as it is.
  void run_forward(ValueId output);
  void optimize();

  /// Times of the last run of each of the plan's steps, by step index.
  const std::vector<TimeSpan>& times() const { return times_; }

  int64_t resident_bytes() const { return arena_.resident_bytes(); }

 private:
  struct Range {
    int32_t begin = 0, end = 0;
    bool ran = false;
  };
  void bind();
  void run(Range& steps);
  void touch_workspace(const KernelArgs& args) const;

  const Graph& graph_;
  const Plan& plan_;
  Arena arena_;
  Guard guard_;
  std::unique_ptr<ThreadPool> pool_;
  std::vector<KernelArgs> args_;
  std::vector<Kernel> kernels_;
  std::vector<int32_t> final_buffer_;  ///< of each value: where it is after the last step, or kNone
  std::vector<TimeSpan> times_;
  Range prepare_, body_, optimize_;
};

}  // namespace tidemark
