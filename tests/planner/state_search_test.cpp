// The search over states against all orders of small graphs, and against the search over orders.
#include "planner/remat/state_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "planner/planner.h"
#include "planner/remat/annealer.h"
#include "tests/planner/exhaustive.h"
#include "tests/planner/random_graph.h"
#include "tests/planner/simulator.h"
#include "tests/planner/small_graph.h"

namespace tidemark {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();
constexpr int64_t kStates = 30'000;

/// One shard of the seeds each.
class SmallGraphStates : public testing::TestWithParam<unsigned> {};

TEST_P(SmallGraphStates, AreSearchedToTheOptimum) {
  constexpr unsigned kSeeds = 70;
  int fit = 0, costly = 0, cut = 0;
  for (unsigned seed = GetParam() * kSeeds; seed < (GetParam() + 1) * kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const test::SmallGraph g = test::random_training_graph(seed, 3 + static_cast<int>(seed % 7));
    const test::Simulation all = test::simulate(g.graph, program_order(g.graph), 1, g.seconds);
    const int64_t budget = all.peak * (92 - static_cast<int>(seed % 3) * 8) / 100;
    const double fastest = test::Exhaustive(g.graph, g.seconds).fastest(budget);
    const SearchGraph graph = make_search_graph(g.graph, g.seconds, {}, 1);
    const int64_t room = budget - graph.persistent_bytes;
    const StateSearch::Answer found = StateSearch(graph, room).fastest(kUnlimited, kStates, {});
    ASSERT_EQ(found.order.empty(), !std::isfinite(fastest));
    if (found.order.empty()) continue;
    EXPECT_EQ(all.seconds + found.again, fastest);
    const test::Simulation run = test::simulate(g.graph, found.order, 1, g.seconds);
    EXPECT_EQ(run.seconds, fastest);
    EXPECT_LE(run.peak, budget);
    // Nothing costs less than the limit, and what is not searched to the end bounds the optimum all the same.
    const StateSearch::Answer none = StateSearch(graph, room).fastest(found.again, kStates, {});
    EXPECT_TRUE(none.order.empty());
    EXPECT_EQ(none.again, found.again);
    const StateSearch::Answer some = StateSearch(graph, room).fastest(kUnlimited, 20 + seed % kSeeds, {});
    EXPECT_LE(some.again, found.again);
    cut += some.order.empty() ? 1 : 0;
    ++fit;
    costly += found.again > 0 ? 1 : 0;
  }
  EXPECT_GE(fit, 25);
  EXPECT_GE(costly, 15);
  EXPECT_GE(cut, 3);
}

INSTANTIATE_TEST_SUITE_P(Some, SmallGraphStates, testing::Values(0u));
INSTANTIATE_TEST_SUITE_P(Thousands, SmallGraphStates, testing::Range(1u, 50u));

// With every aliasing rule there is.
TEST(StateSearch, FindsNothingWorseThanTheSearchOverOrders) {
  int found = 0;
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    test::RandomGraph random(seed);
    const Graph& graph = random.graph();
    std::vector<double> seconds(graph.ops().size());
    for (size_t i = 0; i < seconds.size(); ++i) seconds[i] = 1 + static_cast<double>((i * 7 + seed) % 5);
    const SearchGraph flat = make_search_graph(graph, seconds, {}, 1 + static_cast<int>(seed % 2));
    if (!StateSearch::can_search(flat)) continue;
    Timeline timeline(flat, program_order(graph));
    const auto room = static_cast<int64_t>(timeline.peak() * 0.85);
    const StateSearch::Answer states = StateSearch(flat, room).fastest(kUnlimited, kStates, {});
    Annealer orders(timeline, room, 1);
    orders.run(3'000, {});
    const double once = timeline.seconds();
    if (orders.best()) {
      EXPECT_LE(once + states.again, orders.best_seconds());
    }
    if (states.order.empty()) continue;
    Timeline answer(flat, states.order);
    EXPECT_LE(answer.peak(), room);
    EXPECT_EQ(answer.seconds(), once + states.again);
    ++found;
  }
  EXPECT_GE(found, 10);
}

}  // namespace
}  // namespace tidemark
