#include "planner/pareto.h"

#include <algorithm>

#include "base/error.h"

namespace tidemark {
namespace {

bool is_before(const Plan& a, const Plan& b) {
  return a.arena_bytes != b.arena_bytes ? a.arena_bytes < b.arena_bytes
                                        : a.predicted_seconds < b.predicted_seconds;
}

/// Sorts by peak and drops each plan that takes no less time than one with no higher peak.
std::vector<Plan> unbeaten(std::vector<Plan> plans) {
  std::sort(plans.begin(), plans.end(), is_before);
  std::vector<Plan> front;
  for (Plan& plan : plans)
    if (front.empty() || plan.predicted_seconds < front.back().predicted_seconds)
      front.push_back(std::move(plan));
  return front;
}

}  // namespace

std::vector<Plan> pareto_curve(const Graph& graph, const PlanRequest& request, int points) {
  if (points < kFewestParetoPoints)
    throw Error("cannot plan", "points of the curve", "there are " + std::to_string(points),
                "ask for " + std::to_string(kFewestParetoPoints) + " or more");
  const auto within = [&](int64_t budget, const std::string& strategy) {
    PlanRequest one = request;
    one.budget_bytes = budget;
    one.strategy = strategy;
    one.time_limit_seconds /= points;
    return make_plan(graph, one);
  };
  Plan keep_all = std::move(*within(0, "keep-all").plan);
  const int64_t most = keep_all.arena_bytes, least = within(1, request.strategy).smallest_feasible_bytes;

  std::vector<Plan> plans;
  for (int k = 0; k < points - 1 && least < most && !(request.stop && request.stop()); ++k)
    if (PlanResult r = within(least + (most - least) / (points - 1) * k, request.strategy); r.plan)
      plans.push_back(std::move(*r.plan));
  std::vector<Plan> front = unbeaten(std::move(plans));
  // The graph's own order is the end that people compare with, even where another order takes less memory.
  if (front.empty() || front.back().arena_bytes < most) front.push_back(std::move(keep_all));
  return front;
}

}  // namespace tidemark
