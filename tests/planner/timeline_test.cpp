#include "planner/remat/timeline.h"

#include <gtest/gtest.h>

#include <random>

#include "planner/plan.h"
#include "tests/planner/graphs.h"
#include "tests/planner/random_graph.h"

namespace tidemark {
namespace {

constexpr DeviceTraits kDevice{.threads = 2};

/// What the schedule of the same order says, sharing nothing with the timeline.
void expect_agrees(const Graph& graph, Timeline& timeline, const std::vector<double>& seconds) {
  const std::vector<OpId> order = timeline.order();
  const std::vector<int64_t> live = live_bytes(make_schedule(graph, order, kDevice), kArenaAlignment);
  const auto persistent = timeline.graph().persistent_bytes;
  ASSERT_EQ(static_cast<int64_t>(timeline.peak()), *std::max_element(live.begin(), live.end()) - persistent);
  ASSERT_DOUBLE_EQ(timeline.seconds(), order_seconds(graph, order, seconds, 1));
  size_t step = 0;
  double excess = 0;
  const double room = timeline.peak() * 0.8;
  for (int32_t slot = 0; slot < timeline.slots(); ++slot) {
    const size_t steps = timeline.again_at(slot).size() + (timeline.first_at(slot) == kNone ? 0 : 1);
    excess += std::max(0.0, timeline.level(slot) - room);
    if (steps == 0) continue;
    const auto begin = live.begin() + static_cast<std::ptrdiff_t>(step);
    step += steps;
    ASSERT_EQ(static_cast<int64_t>(timeline.level(slot)),
              *std::max_element(begin, begin + static_cast<std::ptrdiff_t>(steps)) - persistent)
        << "slot " << slot;
  }
  ASSERT_EQ(step, order.size());
  ASSERT_NEAR(timeline.excess(room).sum, excess, 1e-6);
  ASSERT_NEAR(timeline.excess(room).most, timeline.peak() - room, 1e-6);
}

class Mover {
 public:
  Mover(Timeline& timeline, unsigned seed) : timeline_(timeline), random_(seed) {}

  void change() {
    const auto id = static_cast<OpId>(draw(timeline_.graph().ops.size()));
    const std::vector<int32_t>& runs = timeline_.runs(id);
    const int kind = static_cast<int>(draw(3));
    if (kind == 0 && runs.size() > 1) {
      timeline_.remove(id, runs[1 + draw(runs.size() - 1)]);
    } else if (kind == 1 && timeline_.graph().ops[static_cast<size_t>(id)].movable) {
      const auto [low, high] = timeline_.range(id);
      ASSERT_LE(low, runs.front());
      ASSERT_GE(high, runs.front());
      const auto slot = low + static_cast<int32_t>(draw(static_cast<size_t>(high - low + 1)));
      if (timeline_.first_at(slot) == kNone) timeline_.move(id, slot);
    } else {
      const auto slot = static_cast<int32_t>(draw(static_cast<size_t>(timeline_.slots())));
      if (timeline_.may_add(id, slot)) timeline_.add(id, slot);
    }
  }

  size_t draw(size_t n) { return random_() % n; }

 private:
  Timeline& timeline_;
  std::mt19937 random_;
};

TEST(Timeline, FollowsEveryChange) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    test::RandomGraph random(seed);
    const Graph& graph = random.graph();
    std::vector<double> seconds;
    for (size_t i = 0; i < graph.ops().size(); ++i) seconds.push_back(static_cast<double>(1 + i % 7));
    const SearchGraph flat = make_search_graph(graph, seconds, kDevice, 1);
    Timeline timeline(flat, random.order());
    expect_agrees(graph, timeline, seconds);
    Mover mover(timeline, seed);
    for (int round = 0; round < 30; ++round) {
      for (size_t changes = 1 + mover.draw(4); changes-- > 0;) mover.change();
      if (round % 2 == 0) timeline.commit();
      expect_agrees(graph, timeline, seconds);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Timeline, TakesChangesBack) {
  const Graph graph = test::llama();
  const std::vector<double> seconds(graph.ops().size(), 1.0);
  const SearchGraph flat = make_search_graph(graph, seconds, kDevice, 1);
  std::vector<OpId> order = program_order(graph);
  Timeline timeline(flat, order);
  Mover mover(timeline, 3);
  for (int round = 0; round < 200; ++round) {
    const std::vector<OpId> before = timeline.order();
    std::vector<double> levels;
    for (int32_t slot = 0; slot < timeline.slots(); ++slot) levels.push_back(timeline.level(slot));
    for (size_t changes = 1 + mover.draw(5); changes-- > 0;) {
      mover.change();
      if (mover.draw(2) == 0) timeline.peak();  // work out the levels in between, or not
    }
    if (round % 3 == 0) {
      timeline.commit();
      continue;
    }
    timeline.roll_back();
    ASSERT_EQ(timeline.order(), before);
    for (int32_t slot = 0; slot < timeline.slots(); ++slot)
      ASSERT_EQ(timeline.level(slot), levels[static_cast<size_t>(slot)]) << "slot " << slot;
    expect_agrees(graph, timeline, seconds);
    if (HasFatalFailure()) return;
  }
}

TEST(Timeline, KeepsTheOptimizerBehindRepeatedBodies) {
  const Graph graph = test::llama({.micro_batches = 2});
  const std::vector<double> seconds(graph.ops().size(), 1.0);
  const SearchGraph flat = make_search_graph(graph, seconds, kDevice, 2);
  std::vector<OpId> order = program_order(graph);
  Timeline timeline(flat, order);
  Mover mover(timeline, 9);
  for (int round = 0; round < 3000; ++round) mover.change();
  const Schedule schedule = make_schedule(graph, timeline.order(), kDevice);
  EXPECT_NO_THROW(check_repeatable(graph, schedule));
}

}  // namespace
}  // namespace tidemark
