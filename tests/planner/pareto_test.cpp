#include "planner/pareto.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/planner/graphs.h"
#include "tests/planner/simulator.h"
#include "tests/sanitized.h"

namespace tidemark {
namespace {

PlanRequest request_for(const Graph& graph) {
  PlanRequest request;
  request.times = analytic_times(graph, cpu_speed(1));
  return request;
}

TEST(Pareto, FallsFromTheSmallestPlanToTheGraphsOwnOrder) {
  const Graph graph = test::llama({.layers = 4, .width = 32, .heads = 2, .inner = 80, .tokens = 512});
  PlanRequest request = request_for(graph);
  if (kSanitized) request.stop = [asked = 0]() mutable { return ++asked > 200; };
  const std::vector<Plan> curve = pareto_curve(graph, request, 6);
  ASSERT_GE(curve.size(), 4u);
  for (size_t i = 1; i < curve.size(); ++i) {
    EXPECT_LT(curve[i - 1].arena_bytes, curve[i].arena_bytes);
    EXPECT_GE(curve[i - 1].predicted_seconds, curve[i].predicted_seconds);
  }
  EXPECT_EQ(curve.back().strategy, "keep-all");
  EXPECT_EQ(curve.back().arena_bytes, curve.back().unplanned_peak_bytes);
  PlanRequest least = request;
  least.budget_bytes = 1;
  // The search within the smallest budget may find an arena that is smaller still.
  EXPECT_LE(curve.front().arena_bytes, make_plan(graph, least).smallest_feasible_bytes);
  for (const Plan& plan : curve) {
    std::vector<OpId> order;
    for (const Step& step : plan.schedule.steps) order.push_back(step.op);
    const test::Simulation run = test::simulate(graph, order, 1, request.times.seconds);
    EXPECT_EQ(run.peak, plan.live_bytes);
    EXPECT_NEAR(run.seconds, plan.predicted_seconds, 1e-9 * run.seconds);
  }
}

TEST(Pareto, IsOnePointWhereNothingCanBeGained) {
  Graph graph("one op");
  const ValueId x = graph.add_source("x", {DType::f32, {8, 8}}, Category::input);
  graph.mark_output(graph.add({"add", "y", {x, x}}));
  const std::vector<Plan> curve = pareto_curve(graph, request_for(graph), 5);
  ASSERT_EQ(curve.size(), 1u);
  EXPECT_EQ(curve[0].strategy, "keep-all");
  EXPECT_THROW(pareto_curve(graph, request_for(graph), 1), Error);
}

}  // namespace
}  // namespace tidemark
