// Recomputation against all orders of small graphs, and every plan against a machine of its own.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "planner/planner.h"
#include "planner/remat/annealer.h"
#include "planner/remat/lower_bound.h"
#include "planner/remat/strategy.h"
#include "tests/planner/exhaustive.h"
#include "tests/planner/graphs.h"
#include "tests/planner/simulator.h"
#include "tests/planner/small_graph.h"

namespace tidemark {
namespace {

TEST(Remat, AnnealingFindsTheOptimumOfNearlyAllSmallGraphs) {
  int feasible = 0, optimal = 0, costly = 0;
  double found = 0, best = 0;
  for (unsigned seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    const test::SmallGraph g = test::random_training_graph(seed, 3 + static_cast<int>(seed % 4));
    const std::vector<OpId> order = program_order(g.graph);
    const test::Simulation all = test::simulate(g.graph, order, 1, g.seconds);
    const test::Exhaustive exhaustive(g.graph, g.seconds);
    const SearchGraph flat = make_search_graph(g.graph, g.seconds, {}, 1);
    for (int percent = 95; percent >= 65; percent -= 10) {
      const int64_t budget = all.peak * percent / 100;
      const double fastest = exhaustive.fastest(budget);
      Annealer annealer(Timeline(flat, order), budget - flat.persistent_bytes, 1);
      annealer.run(4000, {});
      if (!annealer.best()) continue;
      const test::Simulation machine = test::simulate(g.graph, *annealer.best(), 1, g.seconds);
      ASSERT_LE(machine.peak, budget);
      ASSERT_EQ(machine.seconds, annealer.best_seconds());
      ASSERT_GE(machine.seconds, fastest);
      ++feasible;
      optimal += machine.seconds == fastest ? 1 : 0;
      costly += fastest > all.seconds ? 1 : 0;
      found += machine.seconds;
      best += fastest;
    }
  }
  EXPECT_GT(feasible, 150);
  EXPECT_GT(costly, 60);
  EXPECT_GT(optimal, feasible * 95 / 100);
  EXPECT_LT(found, best * 1.005);
}

class EveryStrategy : public testing::TestWithParam<std::tuple<const Strategy*, int>> {};

TEST_P(EveryStrategy, PlansWhatAMachineMeasures) {
  const auto& [strategy, micro_batches] = GetParam();
  const Graph graph = test::llama(
      {.layers = 3, .width = 32, .heads = 2, .inner = 80, .tokens = 512, .micro_batches = micro_batches});
  PlanRequest request;
  request.device.threads = 2;
  request.micro_batches = micro_batches;
  request.strategy = strategy->name();
  request.times = analytic_times(graph, cpu_speed(2));
  if (strategy == &state_search_strategy() || strategy->name() == "integer-program") {
    EXPECT_THROW(make_plan(graph, request), Error) << "too large a graph";
    return;
  }
  const int64_t unplanned = make_plan(graph, request).unplanned_peak_bytes;
  for (int percent : {100, 75, 60}) {
    request.budget_bytes = unplanned * percent / 100;
    const PlanResult result = make_plan(graph, request);
    if (!result.plan) {
      EXPECT_TRUE(strategy == &keep_all_strategy() || strategy == &sqrt_strategy()) << strategy->name();
      continue;
    }
    const Plan& plan = *result.plan;
    std::vector<OpId> order;
    for (const Step& step : plan.schedule.steps) order.push_back(step.op);
    const test::Simulation machine = test::simulate(graph, order, 2, request.times.seconds, micro_batches);
    EXPECT_EQ(machine.peak, plan.live_bytes);
    EXPECT_LE(machine.peak, plan.arena_bytes);
    EXPECT_LE(plan.arena_bytes, request.budget_bytes);
    EXPECT_NEAR(machine.seconds, plan.predicted_seconds, 1e-12 * machine.seconds);
    if (micro_batches > 1) {
      EXPECT_NO_THROW(check_repeatable(graph, plan.schedule));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryStrategy,
                         testing::Combine(testing::ValuesIn(strategies()), testing::Values(1, 3)));

TEST(Remat, ChainsRunOnceWhatMayNotRunAgain) {
  test::SmallGraph g;
  std::vector<ValueId> made = {g.graph.add_source("x", {DType::u8, {64}}, Category::input)};
  for (int i = 0; i < 32; ++i)
    made.push_back(g.value(
        g.add("f" + std::to_string(i), {made.back()}, {4}, Phase::forward, 1, 0, /*recompute=*/i % 3 != 1)));
  ValueId gradient = made.back();
  for (size_t i = made.size() - 1; i-- > 0;)
    gradient = g.value(g.add("b" + std::to_string(i), {gradient, made[i]}, {1}, Phase::backward, 2));
  g.graph.mark_output(gradient);
  const int64_t unplanned = test::simulate(g.graph, program_order(g.graph), 1, g.seconds).peak;
  for (const char* strategy : {"sqrt", "chain-dp"}) {
    SCOPED_TRACE(strategy);
    PlanRequest request;
    request.device.page_bytes = kArenaAlignment;
    request.strategy = strategy;
    request.times.seconds = g.seconds;
    request.budget_bytes = unplanned * 3 / 4;
    const PlanResult result = make_plan(g.graph, request);
    ASSERT_TRUE(result.plan);
    std::vector<OpId> order;
    for (const Step& step : result.plan->schedule.steps) {
      EXPECT_TRUE(!step.recompute || may_run_again(g.graph.op(step.op)));
      order.push_back(step.op);
    }
    EXPECT_GT(order.size(), g.graph.ops().size());
    EXPECT_EQ(test::simulate(g.graph, order, 1, g.seconds).peak, result.plan->live_bytes);
  }
}

TEST(Remat, UpdatesParametersAmongTheBackwardOpsWhereNothingClips) {
  TrainingOptions options;
  options.optimizer->clip_norm = 0;
  const Graph graph =
      make_training_graph(test::llama_forward({.layers = 4, .width = 128, .tokens = 32}), options);
  PlanRequest request;
  request.times = analytic_times(graph, cpu_speed(1));
  const int64_t unplanned = make_plan(graph, request).unplanned_peak_bytes;
  int64_t states = 0;
  for (const Value& v : graph.values())
    if (v.producer == kNone) states += v.bytes();
  request.budget_bytes = states + (unplanned - states) * 7 / 10;
  const PlanResult result = make_plan(graph, request);
  ASSERT_TRUE(result.plan);
  // Gradients fill this budget; no order of the backward ops alone, nor any recomputation, makes room.
  EXPECT_LT(result.plan->predicted_seconds, 1.01 * result.plan->unplanned_seconds);
  bool early = false, updated = false;
  for (const Step& step : result.plan->schedule.steps) {
    updated = updated || graph.op(step.op).phase == Phase::optimizer;
    early = early || (updated && graph.op(step.op).phase == Phase::backward);
  }
  EXPECT_TRUE(early);
}

TEST(Remat, StopsWhenAsked) {
  const Graph graph = test::llama({.layers = 4, .width = 32, .heads = 2, .inner = 80, .tokens = 1024});
  PlanRequest request;
  request.times = analytic_times(graph, cpu_speed(1));
  request.budget_bytes = make_plan(graph, request).unplanned_peak_bytes / 2;
  bool stop = false;
  request.stop = [&] { return stop; };
  request.time_limit_seconds = 3600;
  double last = std::numeric_limits<double>::infinity();
  request.progress = [&](const SearchProgress& p) {
    EXPECT_LT(p.seconds, last);
    EXPECT_LE(p.lower_bound_seconds, p.seconds);
    last = p.seconds;
    stop = true;
  };
  const PlanResult result = make_plan(graph, request);
  ASSERT_TRUE(result.plan);
  EXPECT_EQ(result.plan->predicted_seconds, last);
}

TEST(Remat, SearchesAlikeEveryTime) {
  const Graph graph = test::llama({.layers = 3, .width = 32, .heads = 2, .inner = 80, .tokens = 512});
  PlanRequest request;
  request.strategy = "local-search";
  request.times = analytic_times(graph, cpu_speed(1));
  request.budget_bytes = make_plan(graph, request).unplanned_peak_bytes * 6 / 10;
  const PlanResult one = make_plan(graph, request), two = make_plan(graph, request);
  ASSERT_TRUE(one.plan && two.plan);
  EXPECT_EQ(one.plan->schedule.buffers, two.plan->schedule.buffers);
  EXPECT_EQ(one.plan->offsets, two.plan->offsets);
}

}  // namespace
}  // namespace tidemark
