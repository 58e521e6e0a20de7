// Spans of neighbours on the host: they cover every element once, and hold what elements hold.
#include "executor/device/wide.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "executor/device/serial_device.h"

namespace tidemark::device {
namespace {

TEST(Wide, SpansCoverEveryElementOnce) {
  for (const int64_t count : {0, 1, 7, 8, 9, 16, 61})
    for (const int64_t head : {0, 3, 7})
      for (const bool aligned : {false, true}) {
        const Spans<8> spans(count, aligned, head);
        std::vector<int> visits(static_cast<size_t>(count));
        int64_t whole = 0;
        for (int64_t i = 0; i < spans.size(); ++i)
          spans.visit(i, [&](auto at) {
            if (at.kSize > 1) {
              EXPECT_EQ(at.first % 8, head);
              ++whole;
            }
            for (int j = 0; j < at.kSize; ++j) ++visits.at(static_cast<size_t>(at.first + j));
          });
        EXPECT_EQ(visits, std::vector<int>(visits.size(), 1)) << count << " from " << head;
        EXPECT_EQ(whole, aligned && count > head ? (count - head) / 8 : 0) << count << " from " << head;
      }
}

template <typename T>
class WideOf : public ::testing::Test {};
using Types = ::testing::Types<float, Bf16>;
TYPED_TEST_SUITE(WideOf, Types);

TYPED_TEST(WideOf, SpansHoldWhatElementsDo) {
  constexpr int n = kWide<TypeParam>;
  const float numbers[] = {1.0f, -0.0f, INFINITY, 3.14159265f, 1.00390625f, -1e-39f, 65535.9f, 1e30f};
  alignas(16) TypeParam single[3 * n] = {}, wide[3 * n] = {}, copied[3 * n] = {};
  for (int j = 0; j < n; ++j) store(single + n + j, numbers[j]);
  const Span<n> middle{n};
  middle.store(wide, [&](int j) { return numbers[j]; });
  middle.copy(wide, copied);
  const Floats<n> loaded = middle.load(wide);
  for (int i = 0; i < 3 * n; ++i) {
    EXPECT_EQ(to_float(wide[i]), to_float(single[i])) << i;
    EXPECT_EQ(to_float(copied[i]), to_float(single[i])) << i;
    if (i / n == 1) {
      EXPECT_EQ(loaded[i - n], to_float(single[i])) << i;
    }
  }
}

TEST(Wide, EveryOperandDecidesWhetherAllAreAligned) {
  alignas(64) Bf16 bf16[64] = {};
  alignas(64) float f32[64] = {};
  EXPECT_TRUE(are_aligned<8>(64, bf16, bf16 + 8, f32 + 4, static_cast<float*>(nullptr)));
  EXPECT_FALSE(are_aligned<8>(60, bf16, bf16 + 8));  // the second row
  EXPECT_FALSE(are_aligned<8>(64, bf16, bf16 + 4));
  EXPECT_TRUE(are_aligned<4>(60, bf16 + 4, f32 + 4));
  EXPECT_FALSE(are_aligned<4>(60, bf16, f32 + 2));
}

}  // namespace
}  // namespace tidemark::device
