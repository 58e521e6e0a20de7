#include "planner/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "planner/remat/lower_bound.h"
#include "planner/remat/strategy.h"
#include "tests/planner/graphs.h"
#include "tests/sanitized.h"

namespace tidemark {
namespace {

PlanRequest request_for(const Graph& graph, int micro_batches = 1) {
  PlanRequest request;
  request.device.threads = 2;
  request.micro_batches = micro_batches;
  request.times = analytic_times(graph, cpu_speed(2));
  return request;
}

/// Every byte apart from what the plan chose: a second opinion on whether it holds.
void expect_holds(const Graph& graph, const Plan& plan, int64_t budget) {
  EXPECT_LE(plan.arena_bytes, budget);
  std::vector<OpId> order;
  for (const Step& step : plan.schedule.steps) order.push_back(step.op);
  const Schedule again = make_schedule(graph, order, {.threads = plan.device.threads});
  EXPECT_EQ(again.buffers, plan.schedule.buffers);
  const auto buffers = arena_buffers(again);
  int64_t end = 0;
  for (size_t i = 0; i < buffers.size(); ++i) end = std::max(end, plan.offsets[i] + buffers[i].bytes);
  EXPECT_EQ(check_arena(buffers, plan.offsets, end), "");
  EXPECT_EQ(plan.arena_bytes, (end + 4095) / 4096 * 4096);
}

TEST(Planner, KeepsAllWhereThereIsNoBudgetOrEnough) {
  const Graph graph = test::llama();
  PlanRequest request = request_for(graph);
  const PlanResult free = make_plan(graph, request);
  ASSERT_TRUE(free.plan);
  EXPECT_EQ(free.plan->schedule.steps.size(), graph.ops().size());
  EXPECT_EQ(free.plan->arena_bytes, free.unplanned_peak_bytes);
  EXPECT_EQ(free.plan->gap, 0);
  request.budget_bytes = free.unplanned_peak_bytes;
  EXPECT_EQ(make_plan(graph, request).plan->strategy, "keep-all");
}

class PlannerBudgets : public testing::TestWithParam<std::tuple<std::string, int>> {};

TEST_P(PlannerBudgets, EveryPlanHoldsAndEveryRefusalIsHonest) {
  const auto& [strategy, micro_batches] = GetParam();
  const Graph graph = test::llama(
      {.layers = 4, .width = 32, .heads = 2, .inner = 80, .tokens = 1024, .micro_batches = micro_batches});
  PlanRequest request = request_for(graph, micro_batches);
  request.strategy = strategy;
  if (kSanitized) request.stop = [asked = 0]() mutable { return ++asked > 200; };
  const int64_t unplanned = make_plan(graph, request).unplanned_peak_bytes;
  int planned = 0, refused = 0;
  for (int percent = 100; percent > 0; percent -= 15) {
    SCOPED_TRACE(percent);
    request.budget_bytes = unplanned * percent / 100;
    PlanResult result = make_plan(graph, request);
    if (!result.plan) {
      ++refused;
      EXPECT_GT(result.smallest_feasible_bytes, request.budget_bytes);
      EXPECT_EQ(result.missing_bytes, result.smallest_feasible_bytes - request.budget_bytes);
      request.budget_bytes = result.smallest_feasible_bytes;
      result = make_plan(graph, request);
      ASSERT_TRUE(result.plan) << "the smallest feasible budget is not feasible";
    }
    ++planned;
    const Plan& plan = *result.plan;
    expect_holds(graph, plan, request.budget_bytes);
    EXPECT_EQ(result.missing_bytes, 0);
    EXPECT_EQ(plan.unplanned_peak_bytes, unplanned);
    EXPECT_GE(plan.predicted_seconds, plan.lower_bound_seconds);
    EXPECT_GE(plan.lower_bound_seconds, plan.unplanned_seconds);
  }
  EXPECT_EQ(planned, 7);
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(All, PlannerBudgets,
                         testing::Combine(testing::Values("auto", "keep-all", "sqrt", "chain-dp", "min-cut",
                                                          "local-search"),
                                          testing::Values(1, 3)));

TEST(Planner, AutoIsTheBestOfAll) {
  const Graph graph = test::llama({.layers = 4, .width = 32, .heads = 2, .inner = 80, .tokens = 1024});
  PlanRequest request = request_for(graph);
  request.budget_bytes = make_plan(graph, request).unplanned_peak_bytes / 2;
  const Plan best = *make_plan(graph, request).plan;
  for (const Strategy* s : strategies()) {
    if (s == &state_search_strategy() || s->name() == "integer-program") continue;  // for smaller graphs
    request.strategy = s->name();
    const PlanResult one = make_plan(graph, request);
    if (one.plan) {
      EXPECT_LE(best.predicted_seconds, one.plan->predicted_seconds) << s->name();
    }
  }
  EXPECT_LT(best.predicted_seconds / best.unplanned_seconds, 1.15);
  EXPECT_LT(best.gap, 0.02);
}

TEST(Planner, TheLowerBoundHoldsForEveryOrder) {
  const Graph graph = test::llama({.layers = 3, .width = 32, .heads = 2, .inner = 80, .tokens = 512});
  const PlanRequest request = request_for(graph);
  const RematProblem problem(graph, request.times.seconds, request.device, 1);
  int stronger = 0;
  for (int slots = 0; slots < 40; ++slots) {
    const RotorTable table(problem.stages().stages(), problem.keep_all().arena_bytes / 40, 40);
    const auto actions = table.solve(slots);
    if (!actions) continue;
    const Candidate c = problem.evaluate(problem.stages().order(*actions));
    const double bound = lower_bound(problem.search_graph(), problem.room(c.arena_bytes)).seconds;
    EXPECT_LE(bound, c.seconds * (1 + 1e-9));
    stronger += bound > problem.keep_all().seconds ? 1 : 0;
  }
  EXPECT_GT(stronger, 5);
}

TEST(Planner, PlansTheLargestModelsToTheirStates) {
  if (kSanitized) GTEST_SKIP() << "a minute for what small graphs show as well";
  const test::LlamaShape shape{.layers = 32,
                               .width = 4096,
                               .heads = 32,
                               .inner = 11008,
                               .vocabulary = 32000,
                               .tokens = 4096,
                               .dtype = DType::bf16};
  const Graph graph = test::llama(shape);
  ASSERT_EQ(graph.parameter_count(), 6'738'415'616);
  PlanRequest request = request_for(graph);
  request.budget_bytes = 1;
  const PlanResult refusal = make_plan(graph, request);
  ASSERT_FALSE(refusal.plan);
  // Parameters, gradients and states: 2 + 2 + 12 bytes each, all live when the optimizer starts. The last
  // gradient made, the embedding's, stands beside the one of the first activation that it is made from.
  // Before it, the first block's backward needs its activations and a product's scratch.
  const int64_t states = 107'814'649'856, activation = shape.tokens * shape.width * 2;
  EXPECT_GE(refusal.smallest_feasible_bytes, states + activation);
  EXPECT_LT(refusal.smallest_feasible_bytes, states + states / 500);
  request.budget_bytes = refusal.smallest_feasible_bytes;
  const PlanResult tight = make_plan(graph, request);
  ASSERT_TRUE(tight.plan);
  expect_holds(graph, *tight.plan, request.budget_bytes);
}

TEST(Planner, RefusesBadRequests) {
  const Graph graph = test::llama();
  PlanRequest negative = request_for(graph);
  negative.budget_bytes = -1;
  EXPECT_THROW(make_plan(graph, negative), Error);
  PlanRequest unknown = request_for(graph);
  unknown.strategy = "magic";
  EXPECT_THROW(make_plan(graph, unknown), Error);
  PlanRequest timeless = request_for(graph);
  timeless.times.seconds.pop_back();
  EXPECT_THROW(make_plan(graph, timeless), Error);
  PlanRequest repeated = request_for(graph);
  repeated.micro_batches = 2;  // but the graph accumulates nothing
  EXPECT_THROW(make_plan(graph, repeated), Error);
}

}  // namespace
}  // namespace tidemark
