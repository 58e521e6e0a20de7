// The trade-off between memory and time: one plan for each of several budgets.
#pragma once

#include <vector>

#include "planner/planner.h"

namespace tidemark {

inline constexpr int kFewestParetoPoints = 2;

/// Plans of which none is beaten: with the peak rising, the predicted seconds do not. The first is for the
/// smallest budget that the request's strategies are known to fit, the last keeps everything in the graph's
/// own order; the others are for budgets evenly between. At most `points`, fewer where a plan leaves nothing
/// for others to gain.
///
/// The request's budget is not heeded; its time limit is for all points together. Once its `stop` says so,
/// the rest of the points is left out, but not the last. Throws Error as make_plan does, and on fewer than
/// kFewestParetoPoints.
std::vector<Plan> pareto_curve(const Graph& graph, const PlanRequest& request, int points);

}  // namespace tidemark
