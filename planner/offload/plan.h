// Plans that use the host's memory, besides recomputing.
#pragma once

#include "planner/planner.h"

namespace tidemark {

/// For a request with a budget and something to offload (make_plan() comes here with those). Recomputing and
/// offloading share the work: plans for budgets between the one given and what the graph takes unplanned are
/// brought down to it by offloads, of each kind allowed and of all, and the fastest is the answer. Its bound
/// is offload_lower_bound().
PlanResult make_offload_plan(const Graph& graph, const PlanRequest& request);

}  // namespace tidemark
