// Stretches of addresses that come and go, against a grid of all addresses and moments.
#include "profiler/import/held_ranges.h"

#include <gmock/gmock.h>

#include <random>

namespace tidemark {
namespace {

constexpr int kAddresses = 24, kSteps = 40;

using Grid = std::vector<std::vector<int>>;  // by step and address: how many ranges are there

Grid grid_of(const std::vector<HeldRange>& ranges) {
  Grid grid(kSteps, std::vector<int>(kAddresses));
  for (const HeldRange& r : ranges)
    for (int64_t step = std::max<int64_t>(r.from, 0); step <= std::min<int64_t>(r.to, kSteps - 1); ++step)
      for (uint64_t at = r.begin; at < r.end; ++at) ++grid[static_cast<size_t>(step)][at];
  return grid;
}

TEST(HeldRanges, AreWhatWasHeldAtEachMoment) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    HeldRanges held;
    Grid expected(kSteps, std::vector<int>(kAddresses));
    std::vector<int> now(kAddresses), known(kAddresses);
    const auto range = [&] {
      const uint64_t begin = random() % kAddresses;
      return std::pair(begin, 1 + random() % (kAddresses - begin));
    };
    for (int step = 0; step < kSteps; ++step) {
      const auto [begin, size] = range();
      const bool takes = random() % 2;
      for (size_t at = begin; at < begin + size; ++at) {
        if (!known[at] && !takes)  // it must have been there from the beginning
          for (int before = 0; before < step; ++before) expected[static_cast<size_t>(before)][at] = 1;
        // What is given back is held to the end of the moment, and what was not held is not taken back then.
        now[at] = takes;
        known[at] = 1;
      }
      if (takes)
        held.hold(begin, static_cast<int64_t>(size), step);
      else
        held.give_back(begin, static_cast<int64_t>(size), step);
      for (size_t at = 0; at < kAddresses; ++at)
        if (now[at]) expected[static_cast<size_t>(step)][at] = 1;
    }
    // At the moment in which something was given back both hold, and the grid cannot say which: it is left
    // out.
    Grid found = grid_of(held.all());
    for (const HeldRange& r : held.ended())
      for (uint64_t at = r.begin; at < r.end; ++at) {
        EXPECT_LE(found[static_cast<size_t>(r.to)][at], 1);
        found[static_cast<size_t>(r.to)][at] = expected[static_cast<size_t>(r.to)][at] = 0;
      }
    EXPECT_EQ(found, expected);
  }
}

TEST(HeldRanges, UnusedPartsFillThemUp) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    HeldRanges ranges;
    for (int step = 0; step < kSteps; step += 2) {  // taken and given back in different steps
      const uint64_t begin = random() % kAddresses;
      const auto size = static_cast<int64_t>(1 + random() % (kAddresses - begin));
      if (random() % 3)
        ranges.hold(begin, size, step);
      else
        ranges.give_back(begin, size, step + 1);
    }
    const Grid held = grid_of(ranges.all());
    std::vector<HeldRange> used;
    Grid taken(kSteps, std::vector<int>(kAddresses));
    for (int i = 0; i < 30; ++i) {
      const uint64_t begin = random() % kAddresses, end = begin + 1 + random() % (kAddresses - begin);
      const auto from = static_cast<int64_t>(random() % kSteps);
      const auto to = from + static_cast<int64_t>(random() % 8);
      std::vector<HeldRange> with = used;
      with.push_back({begin, end, from, to});
      Grid more = grid_of(with);
      bool overlaps = false;
      for (const auto& row : more)
        for (const int count : row) overlaps |= count > 1;
      if (overlaps) continue;
      used = with;
      taken = more;
    }
    const Grid unused = grid_of(unused_parts(ranges.all(), used, kSteps - 1));
    for (size_t step = 0; step < kSteps; ++step)
      for (size_t at = 0; at < kAddresses; ++at)
        EXPECT_EQ(unused[step][at], held[step][at] && !taken[step][at]) << step << " " << at;
  }
}

}  // namespace
}  // namespace tidemark
