#include "base/ticks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

namespace tidemark {
namespace {

std::vector<std::string> labels(const std::vector<Tick>& ticks) {
  std::vector<std::string> list;
  for (const Tick& t : ticks) list.push_back(t.label);
  return list;
}

using testing::ElementsAre;

TEST(ByteTicks, CountInOneBinaryUnit) {
  EXPECT_THAT(labels(byte_ticks(0, 200 * 0x1p20, 5)),
              ElementsAre("0 MiB", "50 MiB", "100 MiB", "150 MiB", "200 MiB"));
  EXPECT_THAT(labels(byte_ticks(0, 1.1 * 0x1p30, 6)),
              ElementsAre("0.0 GiB", "0.2 GiB", "0.4 GiB", "0.6 GiB", "0.8 GiB", "1.0 GiB"));
  EXPECT_THAT(labels(byte_ticks(0, 3, 10)), ElementsAre("0 B", "1 B", "2 B", "3 B"));
}

TEST(SecondTicks, CountInTheirUnit) {
  EXPECT_THAT(labels(second_ticks(0, 0.0045, 5)), ElementsAre("0 ms", "1 ms", "2 ms", "3 ms", "4 ms"));
  EXPECT_THAT(labels(second_ticks(0, 3e-5, 3)), ElementsAre("0 µs", "10 µs", "20 µs", "30 µs"));
  EXPECT_THAT(labels(second_ticks(1.2, 1.45, 3)), ElementsAre("1.2 s", "1.3 s", "1.4 s"));
  EXPECT_THAT(labels(count_ticks(10, 31, 3)), ElementsAre("10", "20", "30"));
}

TEST(Ticks, AreRoundNumbersWithinTheirRange) {
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    const double low = std::pow(10, static_cast<double>(random() % 1200) / 100 - 6);
    const double high = low + std::pow(10, static_cast<double>(random() % 1200) / 100 - 6);
    const int most = 2 + static_cast<int>(random() % 12);
    for (const auto& ticks :
         {byte_ticks(low, high, most), second_ticks(low, high, most), count_ticks(low, high, most)}) {
      ASSERT_LE(ticks.size(), static_cast<size_t>(most) + 1);
      std::set<std::string> different;
      for (const Tick& t : ticks) {
        ASSERT_GE(t.value, low - 1e-6 * (high - low));
        ASSERT_LE(t.value, high + 1e-6 * (high - low));
        different.insert(t.label);
      }
      ASSERT_EQ(different.size(), ticks.size()) << low << " to " << high;
    }
  }
  EXPECT_TRUE(byte_ticks(5, 5, 4).empty());
}

TEST(FineSeconds, NameTheirUnit) {
  EXPECT_EQ(fine_seconds(0.0123456), "12.346 ms");
  EXPECT_EQ(fine_seconds(2), "2.000 s");
  EXPECT_EQ(fine_seconds(0), "0.000 ns");
}

}  // namespace
}  // namespace tidemark
