// The bound of several moments against all orders of small graphs.
#include "planner/remat/moments_bound.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "planner/remat/lower_bound.h"
#include "planner/remat/state_search.h"
#include "planner/remat/strategy.h"
#include "planner/remat/timeline.h"
#include "tests/planner/exhaustive.h"
#include "tests/planner/random_graph.h"
#include "tests/planner/simulator.h"
#include "tests/planner/small_graph.h"

namespace tidemark {
namespace {

constexpr double kRounding = 1e-6;

class MomentsBound : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::has_integer_program()) GTEST_SKIP() << "built without CBC";
  }

  static std::vector<OpId> all_ops(const SearchGraph& graph) {
    std::vector<OpId> ops(graph.ops.size());
    std::iota(ops.begin(), ops.end(), 0);
    return ops;
  }
};

TEST_F(MomentsBound, NeverExceedsTheOptimum) {
  int costly = 0, stronger = 0;
  for (unsigned seed = 0; seed < 120; ++seed) {
    SCOPED_TRACE(seed);
    const test::SmallGraph g = test::random_training_graph(seed, 3 + static_cast<int>(seed % 5));
    const test::Simulation all = test::simulate(g.graph, program_order(g.graph), 1, g.seconds);
    const SearchGraph flat = make_search_graph(g.graph, g.seconds, {}, 1);
    const test::Exhaustive exhaustive(g.graph, g.seconds);
    for (int percent = 90; percent >= 60; percent -= 15) {
      const int64_t budget = all.peak * percent / 100, room = budget - flat.persistent_bytes;
      const double fastest = exhaustive.fastest(budget);
      if (!std::isfinite(fastest)) break;
      const LowerBound one = lower_bound(flat, room);
      const double several = moments_bound(flat, room, one.contested, {});
      ASSERT_LE(several, fastest + kRounding) << budget;
      ASSERT_LE(moments_bound(flat, room, all_ops(flat), {}), fastest + kRounding) << budget;
      costly += fastest > all.seconds ? 1 : 0;
      stronger += several > one.seconds + kRounding ? 1 : 0;
    }
  }
  EXPECT_GT(costly, 60);
  EXPECT_GT(stronger, 20);
}

// With every aliasing rule there is, and several micro-batches.
TEST_F(MomentsBound, NeverExceedsTheOptimumWhereStorageIsShared) {
  int found = 0, costly = 0, positive = 0;
  for (unsigned seed = 0; seed < 26; ++seed) {
    SCOPED_TRACE(seed);
    test::RandomGraph random(seed);
    std::vector<double> seconds(random.graph().ops().size());
    for (size_t i = 0; i < seconds.size(); ++i) seconds[i] = 1 + static_cast<double>((i * 7 + seed) % 5);
    const SearchGraph flat = make_search_graph(random.graph(), seconds, {}, 1 + static_cast<int>(seed % 2));
    if (!StateSearch::can_search(flat)) continue;
    const auto room = static_cast<int64_t>(Timeline(flat, program_order(random.graph())).peak() * 0.7);
    const StateSearch::Answer states =
        StateSearch(flat, room).fastest(std::numeric_limits<double>::infinity(), 10'000, {});
    if (states.order.empty()) continue;
    const double bound = moments_bound(flat, room, all_ops(flat), {});
    EXPECT_LE(bound, flat.seconds_once() + states.again + kRounding);
    ++found;
    costly += states.again > 0 ? 1 : 0;
    positive += bound > flat.seconds_once() + kRounding ? 1 : 0;
  }
  EXPECT_GE(found, 8);
  EXPECT_GE(costly, 2) << found;
  EXPECT_GE(positive, 1) << costly;
}

}  // namespace
}  // namespace tidemark
