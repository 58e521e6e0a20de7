#include "gui/models/axis_range.h"

#include <gtest/gtest.h>

#include <random>

namespace tidemark::gui {
namespace {

AxisRange whole(double low, double high) {
  AxisRange range;
  range.set_limits(low, high);
  return range;
}

TEST(AxisRange, ShowsEverythingAtFirst) {
  const AxisRange range = whole(0, 200);
  EXPECT_EQ(range.begin(), 0);
  EXPECT_EQ(range.end(), 200);
  EXPECT_TRUE(range.whole());
}

TEST(AxisRange, KeepsTheAnchorInItsPlace) {
  std::mt19937 random(1);
  AxisRange range = whole(0, 200);
  for (int i = 0; i < 60; ++i) {
    const double place = static_cast<double>(random() % 1000) / 1000;
    const double anchor = range.begin() + place * range.span();
    const double before = range.span();
    range.zoom(1.2, anchor);
    EXPECT_NEAR(range.span(), before / 1.2, 1e-9 * before);
    EXPECT_NEAR((anchor - range.begin()) / range.span(), place, 1e-6);
  }
  EXPECT_FALSE(range.whole());
  range.reset();
  EXPECT_TRUE(range.whole());
}

TEST(AxisRange, NeverLeavesItsLimits) {
  std::mt19937 random(2);
  AxisRange range = whole(10, 30);
  for (int i = 0; i < 2000; ++i) {
    const double where = static_cast<double>(random() % 100) - 30;
    switch (random() % 3) {
      case 0: range.zoom(random() % 2 ? 3 : 0.3, where); break;
      case 1: range.pan(where); break;
      default: range.reveal(where);
    }
    ASSERT_GE(range.begin(), 10);
    ASSERT_LE(range.end(), 30 + 1e-9);
    ASSERT_GT(range.span(), 0);
  }
}

TEST(AxisRange, PansByWhatItIsTold) {
  AxisRange range = whole(0, 100);
  range.zoom(10, 50);
  range.pan(7);
  EXPECT_DOUBLE_EQ(range.begin(), 52);
  EXPECT_DOUBLE_EQ(range.span(), 10);
  range.pan(1000);
  EXPECT_DOUBLE_EQ(range.end(), 100);
  EXPECT_DOUBLE_EQ(range.span(), 10);
}

TEST(AxisRange, RevealsWithTheLeastMove) {
  AxisRange range = whole(0, 100);
  range.zoom(10, 50);  // 45 to 55
  const AxisRange before = range;
  range.reveal(50);
  EXPECT_EQ(range, before);
  range.reveal(80);
  EXPECT_DOUBLE_EQ(range.end(), 81);
  range.reveal(0);
  EXPECT_DOUBLE_EQ(range.begin(), 0);
}

TEST(AxisRange, KeepsTheZoomWhenTheLimitsGrow) {
  AxisRange range = whole(0, 100);
  range.zoom(4, 40);
  const double begin = range.begin(), end = range.end();
  range.set_limits(0, 150);
  EXPECT_EQ(range.begin(), begin);
  EXPECT_EQ(range.end(), end);
  range.set_limits(0, 20);  // what was shown is gone
  EXPECT_LE(range.end(), 20);
  AxisRange all = whole(0, 100);
  all.set_limits(0, 150);
  EXPECT_EQ(all.end(), 150);
}

TEST(AxisRange, SurvivesLimitsWithoutExtent) {
  AxisRange range = whole(5, 5);
  EXPECT_GT(range.span(), 0);
  range.zoom(2, 5);
  EXPECT_GT(range.span(), 0);
}

}  // namespace
}  // namespace tidemark::gui
