// The integer program against all orders of small graphs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "planner/planner.h"
#include "planner/remat/strategy.h"
#include "tests/planner/exhaustive.h"
#include "tests/planner/simulator.h"
#include "tests/planner/small_graph.h"

namespace tidemark {
namespace {

/// One shard of the seeds each.
class SmallGraphs : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    if (!test::has_integer_program()) GTEST_SKIP() << "built without CBC";
  }
};

TEST_P(SmallGraphs, AreSolvedAndProven) {
  constexpr unsigned kSeeds = 60;
  int fit = 0, proven = 0, costly = 0;
  for (unsigned seed = GetParam() * kSeeds; seed < (GetParam() + 1) * kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const test::SmallGraph g = test::random_training_graph(seed, 3 + static_cast<int>(seed % 3));
    const test::Simulation all = test::simulate(g.graph, program_order(g.graph), 1, g.seconds);
    PlanRequest request;
    request.device.page_bytes = 64;
    request.times.seconds = g.seconds;
    request.strategy = "integer-program";
    const test::Exhaustive exhaustive(g.graph, g.seconds);
    const int percent = 92 - static_cast<int>(seed % 4) * 8;
    request.budget_bytes = all.peak * percent / 100;
    const double fastest = exhaustive.fastest(request.budget_bytes);
    const PlanResult result = make_plan(g.graph, request);
    if (!std::isfinite(fastest)) {
      EXPECT_FALSE(result.plan);
      continue;
    }
    ++fit;
    costly += fastest > all.seconds ? 1 : 0;
    if (!result.plan) continue;
    const Plan& plan = *result.plan;
    EXPECT_GE(plan.predicted_seconds, fastest);
    EXPECT_LE(plan.lower_bound_seconds, fastest * (1 + 1e-9));
    proven += plan.predicted_seconds == fastest && plan.gap < 1e-5 ? 1 : 0;
  }
  EXPECT_GE(fit, 12);
  EXPECT_GE(costly, 10);
  // What lives may fit where no placement does, and the work is limited: too much so for four in the worst
  // of all shards.
  EXPECT_GE(proven, fit - (GetParam() == 0 ? 2 : 4));
}

TEST_P(SmallGraphs, AreNotProvenByHalves) {
  PlanRequest request;
  request.device.page_bytes = 64;
  request.strategy = "integer-program";
  request.time_limit_seconds = 3600;
  test::SmallGraph g;
  double fastest = std::numeric_limits<double>::infinity();
  for (unsigned seed = 20 * GetParam() + 6; !std::isfinite(fastest);
       ++seed) {  // the next within which any fits
    g = test::random_training_graph(seed, 5);
    request.budget_bytes = test::simulate(g.graph, program_order(g.graph), 1, g.seconds).peak * 84 / 100;
    fastest = test::Exhaustive(g.graph, g.seconds).fastest(request.budget_bytes);
  }
  request.times.seconds = g.seconds;
  for (int patience : {0, 1, 200, 400, 600}) {
    int asked = 0;
    request.stop = [&] { return ++asked > patience; };
    const PlanResult result = make_plan(g.graph, request);
    if (!result.plan) continue;
    EXPECT_LE(result.plan->lower_bound_seconds, fastest * (1 + 1e-9)) << patience;
    EXPECT_GE(result.plan->predicted_seconds, fastest) << patience;
    EXPECT_LE(result.plan->arena_bytes, request.budget_bytes) << patience;
  }
}

INSTANTIATE_TEST_SUITE_P(Some, SmallGraphs, testing::Values(0u));
INSTANTIATE_TEST_SUITE_P(Thousands, SmallGraphs, testing::Range(1u, 50u));

}  // namespace
}  // namespace tidemark
