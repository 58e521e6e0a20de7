#include "tests/planner/simulator.h"

#include <gtest/gtest.h>

#include <numeric>

#include "planner/plan.h"
#include "tests/planner/exhaustive.h"
#include "tests/planner/graphs.h"
#include "tests/planner/random_graph.h"
#include "tests/planner/small_graph.h"

namespace tidemark {
namespace {

TEST(Simulator, CountsWhatTheScheduleSays) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    test::RandomGraph random(seed);
    const std::vector<OpId> order = random.order();
    const std::vector<double> seconds(random.graph().ops().size(), 0.5);
    const test::Simulation machine = test::simulate(random.graph(), order, 2, seconds);
    const std::vector<int64_t> live = live_bytes(make_schedule(random.graph(), order, {.threads = 2}), 64);
    EXPECT_EQ(machine.peak, *std::max_element(live.begin(), live.end()));
    EXPECT_EQ(machine.seconds, 0.5 * static_cast<double>(order.size()));
    if (HasFailure()) return;
  }
}

/// a -> b -> c, and backward ops that read all of them: by hand.
TEST(Exhaustive, FindsWhatAPersonFinds) {
  test::SmallGraph g;
  const ValueId x = g.graph.add_source("x", {DType::u8, {64}}, Category::input);
  const ValueId a = g.value(g.add("a", {x}, {4}, Phase::forward, 3));
  const ValueId b = g.value(g.add("b", {a}, {1}, Phase::forward, 5));
  const ValueId c = g.value(g.add("c", {b}, {2}, Phase::forward, 7));
  const ValueId dc = g.value(g.add("dc", {c}, {3}, Phase::backward, 1));
  g.graph.mark_output(g.value(g.add("da", {dc, a}, {1}, Phase::backward, 1)));
  const test::Exhaustive exhaustive(g.graph, g.seconds);
  const auto fastest = [&](int64_t units) { return exhaustive.fastest(64 * (1 + units)); };
  EXPECT_EQ(fastest(9), 17);  // a, c, dc live at dc
  EXPECT_EQ(fastest(8), 20);  // a again after dc: da needs 8
  EXPECT_TRUE(std::isinf(fastest(7)));
}

}  // namespace
}  // namespace tidemark
