#include "planner/arena/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

namespace tidemark {
namespace {

std::vector<ArenaBuffer> random_buffers(std::mt19937& random, int count, int steps, int64_t largest,
                                        bool bottoms) {
  std::vector<ArenaBuffer> buffers;
  for (int i = 0; i < count; ++i) {
    ArenaBuffer b;
    b.bytes = 64 * (1 + static_cast<int64_t>(random() % static_cast<unsigned>(largest)));
    b.first = static_cast<int32_t>(random() % static_cast<unsigned>(steps));
    b.last = b.first + static_cast<int32_t>(random() % static_cast<unsigned>(steps - b.first));
    if (bottoms && random() % 8 == 0) {
      b.bottom = true;
      b.first = 0;
      b.last = steps - 1;
    }
    buffers.push_back(b);
  }
  return buffers;
}

/// Exhaustive: some optimal placement puts each buffer at 0 or on top of another, in some order.
int64_t optimum(const std::vector<ArenaBuffer>& buffers) {
  const size_t n = buffers.size();
  std::vector<int64_t> at(n, -1);
  int64_t best = INT64_MAX;
  std::function<void(size_t, int64_t)> visit = [&](size_t placed, int64_t end) {
    if (end >= best) return;
    if (placed == n) {
      best = end;
      return;
    }
    for (size_t i = 0; i < n; ++i) {
      if (at[i] >= 0) continue;
      std::vector<int64_t> spots = {0};
      for (size_t j = 0; j < n; ++j)
        if (at[j] >= 0) spots.push_back(at[j] + buffers[j].bytes);
      for (int64_t spot : spots) {
        bool free = true;
        for (size_t j = 0; j < n && free; ++j)
          free = at[j] < 0 || buffers[j].last < buffers[i].first || buffers[i].last < buffers[j].first ||
                 spot + buffers[i].bytes <= at[j] || at[j] + buffers[j].bytes <= spot;
        if (!free) continue;
        at[i] = spot;
        visit(placed + 1, std::max(end, spot + buffers[i].bytes));
        at[i] = -1;
      }
    }
  };
  visit(0, 0);
  return best;
}

TEST(Arena, PlacesNothingInNothing) {
  const ArenaSolution s = solve_arena({});
  EXPECT_EQ(s.end, 0);
  EXPECT_EQ(s.lower_bound, 0);
  EXPECT_EQ(s.gap(), 0);
}

TEST(Arena, ReusesTheBytesOfTheDead) {
  const std::vector<ArenaBuffer> buffers = {{128, 0, 1}, {64, 1, 2}, {128, 2, 3}, {0, 0, 3}};
  const ArenaSolution s = solve_arena(buffers);
  EXPECT_EQ(s.end, 192);
  EXPECT_EQ(s.lower_bound, 192);
  EXPECT_EQ(check_arena(buffers, s.offsets, s.end), "");
}

TEST(Arena, EveryPlacementIsValidAndNoLowerThanTheBound) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const auto buffers = random_buffers(random, 1 + static_cast<int>(random() % 60), 30, 20, round % 2 == 0);
    const ArenaSolution s = solve_arena(buffers, {.effort = 20000});
    ASSERT_EQ(check_arena(buffers, s.offsets, s.end), "") << "round " << round;
    ASSERT_GE(s.end, s.lower_bound);
    ASSERT_EQ(s.lower_bound, arena_lower_bound(buffers));
    for (int64_t offset : s.offsets) ASSERT_EQ(offset % 64, 0);
  }
}

TEST(Arena, FindsTheOptimumOfSmallCases) {
  std::mt19937 random(2);
  int above_bound = 0;
  for (int round = 0; round < 60; ++round) {
    const auto buffers = random_buffers(random, 6, 6, 6, false);
    const int64_t best = optimum(buffers);
    const ArenaSolution s = solve_arena(buffers, {.effort = 1'000'000});
    ASSERT_EQ(s.end, best) << "round " << round;
    above_bound += best > s.lower_bound ? 1 : 0;
  }
  // Six buffers can already make the bound unreachable; most draws must not.
  EXPECT_LT(above_bound, 30);
}

TEST(Arena, NestedLivesReachTheBound) {
  // What a forward and backward pass leave: the first made dies last.
  std::vector<ArenaBuffer> buffers;
  std::mt19937 random(3);
  for (int32_t i = 0; i < 500; ++i)
    buffers.push_back({64 * (1 + static_cast<int64_t>(random() % 99)), i, 999 - i});
  const ArenaSolution s = solve_arena(buffers);
  EXPECT_EQ(s.end, s.lower_bound);
  EXPECT_EQ(check_arena(buffers, s.offsets, s.end), "");
}

TEST(Arena, IsDeterministic) {
  std::mt19937 random(4);
  const auto buffers = random_buffers(random, 200, 80, 40, true);
  EXPECT_EQ(solve_arena(buffers, {.effort = 500000}).offsets,
            solve_arena(buffers, {.effort = 500000}).offsets);
}

TEST(ArenaCheck, NamesWhatIsWrong) {
  const std::vector<ArenaBuffer> two = {{64, 0, 1}, {64, 1, 2}};
  EXPECT_EQ(check_arena(two, {0, 64}, 128), "");
  EXPECT_EQ(check_arena(two, {0, 0}, 64), "buffer 1 overlaps buffer 0");
  EXPECT_EQ(check_arena(two, {32, 0}, 96), "buffer 1 overlaps buffer 0");
  EXPECT_EQ(check_arena(two, {0, 64}, 96), "buffer 1 lies outside the arena");
  EXPECT_EQ(check_arena(two, {-64, 0}, 96), "buffer 0 lies outside the arena");
  EXPECT_EQ(check_arena(two, {0, 128}, 192), "no buffer ever uses the byte at 64");
  EXPECT_EQ(check_arena(two, {0}, 64), "there is not one offset for each buffer");
  const std::vector<ArenaBuffer> upside_down = {{64, 0, 1}, {64, 0, 1, true}};
  EXPECT_EQ(check_arena(upside_down, {0, 64}, 128), "a persistent buffer lies above one that is not");
}

}  // namespace
}  // namespace tidemark
