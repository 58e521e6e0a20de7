#include "planner/remat/moment.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/planner/exhaustive.h"
#include "tests/planner/simulator.h"
#include "tests/planner/small_graph.h"

namespace tidemark {
namespace {

TEST(Moment, NoBoundExceedsTheOptimum) {
  int tight = 0, positive = 0, infeasible = 0, proven = 0;
  double optimal = 0, bound_sum = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    const test::SmallGraph g = test::random_training_graph(seed, 2 + static_cast<int>(seed % 6));
    std::vector<OpId> order = program_order(g.graph);
    const test::Simulation all = test::simulate(g.graph, order, 1, g.seconds);
    const SearchGraph flat = make_search_graph(g.graph, g.seconds, {}, 1);
    const test::Exhaustive exhaustive(g.graph, g.seconds);
    for (int percent = 90; percent >= 30; percent -= 20) {
      const int64_t budget = all.peak * percent / 100;
      const double fastest = exhaustive.fastest(budget) - all.seconds;
      double best = 0;
      for (size_t op = 0; op < g.graph.ops().size(); ++op) {
        Moment moment(flat, static_cast<OpId>(op));
        const MomentBound bound = moment.bound(budget - flat.persistent_bytes);
        ASSERT_LE(bound.seconds, fastest + 1e-6) << "at " << g.graph.ops()[op].name << ", budget " << budget;
        best = std::max(best, bound.seconds);
        EXPECT_EQ(std::isinf(bound.seconds), moment.least_bytes() > budget - flat.persistent_bytes);
      }
      if (std::isinf(fastest)) {
        ++infeasible;
        proven += std::isinf(best) ? 1 : 0;
      } else if (fastest > 0) {
        ++positive;
        optimal += fastest;
        bound_sum += best;
        tight += best > 0.99 * fastest ? 1 : 0;
      }
    }
  }
  // The bound is worth something: it proves nearly all that cannot be, and about half of what must be paid.
  EXPECT_GT(positive, 200);
  EXPECT_GT(tight, 0);
  EXPECT_GT(infeasible, 200);
  EXPECT_GT(proven, infeasible * 9 / 10);
  EXPECT_GT(bound_sum, 0.45 * optimal);
}

}  // namespace
}  // namespace tidemark
