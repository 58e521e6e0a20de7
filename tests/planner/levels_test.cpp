#include "planner/remat/levels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tidemark {
namespace {

void expect_agrees(Levels& levels, const std::vector<double>& plain, double room) {
  double sum = 0, most = 0;
  std::vector<int32_t> full;
  for (size_t s = 0; s < plain.size(); ++s) {
    ASSERT_EQ(levels.at(static_cast<int32_t>(s)), plain[s]) << "slot " << s;
    sum += std::max(0.0, plain[s] - room);
    most = std::max(most, plain[s] - room);
    if (plain[s] >= room) full.push_back(static_cast<int32_t>(s));
  }
  const Levels::Excess excess = levels.excess(room);
  ASSERT_EQ(excess.sum, sum);
  ASSERT_EQ(excess.most, most);
  std::vector<int32_t> found;
  levels.find(room, found);
  ASSERT_EQ(found, full);
}

TEST(Levels, AreThoseOfAPlainRow) {
  for (size_t slots : {1, 63, 64, 65, 128, 1000}) {
    SCOPED_TRACE(slots);
    std::mt19937 random(static_cast<unsigned>(slots));
    const auto draw = [&](size_t n) { return static_cast<int32_t>(random() % n); };
    Levels levels(slots);
    std::vector<double> plain(slots, 0);
    for (int change = 0; change < 300; ++change) {
      const int32_t first = draw(slots), last = draw(4) == 0 ? first : draw(slots);
      const double bytes = draw(2000) - 700;
      levels.add(first, last, bytes);  // nothing where last < first
      for (int32_t s = first; s <= last; ++s) plain[static_cast<size_t>(s)] += bytes;
      const double room = draw(3) == 0 ? 0 : draw(20'000);
      ASSERT_NO_FATAL_FAILURE(expect_agrees(levels, plain, room)) << "change " << change;
    }
  }
}

}  // namespace
}  // namespace tidemark
