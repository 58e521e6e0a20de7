// From a training graph and a budget to a plan, or to an honest refusal.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "planner/cost/op_times.h"
#include "planner/offload/absences.h"
#include "planner/offload/copy_times.h"
#include "planner/plan.h"
#include "planner/remat/search_control.h"

namespace tidemark {

struct PlanRequest {
  int64_t budget_bytes = 0;  ///< of the arena: parameters, states and all else; 0: none
  PlanDevice device;
  int micro_batches = 1;          ///< as the graph was made for
  std::string strategy = "auto";  ///< a name of remat/strategy.h, or "auto": the best of all
  /// What may leave the arena for the host's memory where that is faster than to recompute, or nothing else
  /// fits; if anything, over `host_link`.
  OffloadKinds offload = {.activations = false, .states = false};
  HostLink host_link;
  OpTimes times;  ///< of each op of the graph (cost/op_times.h)
  /// How long to look for a faster plan. 0: as long as a fixed number of tries takes, which gives the same
  /// plan on every machine.
  double time_limit_seconds = 0;
  std::function<bool()> stop;  ///< asked now and then; once true, the best plan so far is the answer
  std::function<void(const SearchProgress&)> progress;
};

struct PlanResult {
  std::optional<Plan> plan;  ///< none: no strategy fits the budget
  int64_t unplanned_peak_bytes = 0;
  int64_t missing_bytes = 0;            ///< smallest_feasible_bytes - budget, 0 with a plan
  int64_t smallest_feasible_bytes = 0;  ///< 0 with a plan; otherwise a budget for which there is one
};

/// Throws Error where the budget is negative, there is no link to offload over, the strategy unknown, the
/// times are not this graph's, or the graph cannot be run in several micro-batches.
PlanResult make_plan(const Graph& graph, const PlanRequest& request);

}  // namespace tidemark
