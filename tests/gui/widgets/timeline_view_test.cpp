#include "gui/widgets/timeline_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <QToolTip>
#include <cmath>

#include "gui/widgets/theme.h"
#include "tests/gui/widgets/plot_fixture.h"

namespace tidemark::gui {
namespace {

using testing::HasSubstr;

class TimelineViews : public test::PlotTest<TimelineView> {
 protected:
  /// Bytes by category at a step, from the plan's schedule.
  CategoryBytes planned_bytes(int32_t step) const {
    CategoryBytes bytes{};
    for (const Buffer& b : recording_.plan().schedule.buffers)
      if (b.first_step <= step && step <= b.last_step)
        bytes[static_cast<size_t>(b.category)] += rounded_up(b.bytes, kArenaAlignment);
    return bytes;
  }

  /// Pixel columns well inside of the time of one op, away from cursor, peak and the ends of phases.
  template <typename Check>
  int at_quiet_columns(Check check) const {
    const PlotGeometry plot = geometry();
    const StepClock& clock = scene().main.clock;
    int checked = 0;
    for (size_t i = 0; i < clock.size(); ++i) {
      const double left = plot.x_of(clock[i].begin), right = plot.x_of(clock.end_of(i));
      if (right - left < 9 || i == state_.cursor()) continue;
      check(static_cast<int>((left + right) / 2), clock[i].step);
      ++checked;
    }
    return checked;
  }
};

TEST_F(TimelineViews, PaintEachCategoryWhereItsBytesAre) {
  const QImage picture = plot_.grab().toImage();
  std::array<int, kCategoryCount> seen{};
  const int columns = at_quiet_columns([&](int x, int32_t step) {
    const CategoryBytes bytes = planned_bytes(step);
    double height = 0;
    for (Category category : kStackOrder) {
      const auto c = static_cast<size_t>(category);
      const double bottom = geometry().y_of(height),
                   top = geometry().y_of(height + static_cast<double>(bytes[c]));
      height += static_cast<double>(bytes[c]);
      const double y = std::floor((bottom + top) / 2);
      const double plan_line = geometry().y_of(static_cast<double>(total(bytes)));
      if (bottom - top < 4 || std::abs(y - plan_line) < 4) continue;
      EXPECT_EQ(picture.pixelColor(x, static_cast<int>(y)), theme::color_of(category))
          << name_of(category) << " at " << x << ", " << y << ", step " << step;
      ++seen[c];
    }
  });
  EXPECT_GT(columns, 20);
  for (Category c : {Category::parameter, Category::optimizer_state, Category::gradient, Category::activation,
                     Category::workspace})
    EXPECT_GT(seen[static_cast<size_t>(c)], 0) << name_of(c);
}

TEST_F(TimelineViews, DrawThePlanWhereItsBytesAre) {
  const QImage picture = plot_.grab().toImage();
  const int columns = at_quiet_columns([&](int x, int32_t step) {
    const int y =
        static_cast<int>(std::round(geometry().y_of(static_cast<double>(total(planned_bytes(step))))));
    const bool there =
        picture.pixelColor(x, y) == theme::kPlanned || picture.pixelColor(x, y - 1) == theme::kPlanned;
    EXPECT_TRUE(there) << "step " << step << " at " << x << ", " << y;
    EXPECT_NE(picture.pixelColor(x, y + 6), theme::kPlanned);
  });
  EXPECT_GT(columns, 20);
}

TEST_F(TimelineViews, FollowTheLegend) {
  for (int c = 0; c < kCategoryCount; ++c)
    state_.set_visible(static_cast<Category>(c), static_cast<Category>(c) == Category::activation);
  const QImage picture = plot_.grab().toImage();
  at_quiet_columns([&](int x, int32_t step) {
    const auto bytes = static_cast<double>(planned_bytes(step)[static_cast<size_t>(Category::activation)]);
    if (geometry().y_of(0) - geometry().y_of(bytes) < 8) return;
    EXPECT_EQ(picture.pixelColor(x, static_cast<int>(geometry().y_of(bytes / 2))),
              theme::color_of(Category::activation));
  });
  for (int y = 0; y < picture.height(); ++y)
    for (int x = geometry().area.left(); x < picture.width(); ++x)
      ASSERT_NE(picture.pixelColor(x, y), theme::color_of(Category::parameter)) << x << ", " << y;
}

TEST_F(TimelineViews, DrawTheBudget) {
  const QImage picture = plot_.grab().toImage();
  const int y = static_cast<int>(geometry().y_of(static_cast<double>(recording_.plan().budget_bytes)));
  int dashes = 0;
  for (int x = geometry().area.center().x(); x < geometry().area.right(); ++x)
    for (int row : {y - 1, y, y + 1}) dashes += picture.pixelColor(x, row) == theme::kBudget ? 1 : 0;
  EXPECT_GT(dashes, geometry().area.width() / 4);
}

TEST_F(TimelineViews, HoverTellsTheBufferUnderTheMouse) {
  const int columns = at_quiet_columns([&](int x, int32_t step) {
    const QPoint at(x, point(0, 0.83).y());
    QTest::mouseMove(&plot_, at + QPoint(0, 40));
    QTest::mouseMove(&plot_, at);
    const double bytes = geometry().bytes_at(at.y() + 0.5);
    // The buffers of the stack, from its bottom up.
    double height = 0;
    std::string expected;
    const auto& schedule = recording_.plan().schedule;
    std::vector<size_t> by_offset(schedule.buffers.size());
    std::iota(by_offset.begin(), by_offset.end(), size_t{0});
    std::ranges::sort(by_offset, {}, [&](size_t i) { return recording_.plan().offsets[i]; });
    for (Category category : kStackOrder)
      for (size_t i : by_offset) {
        const Buffer& b = schedule.buffers[i];
        if (b.category != category || step < b.first_step || step > b.last_step) continue;
        height += static_cast<double>(rounded_up(b.bytes, kArenaAlignment));
        if (expected.empty() && bytes < height)
          expected = recording_.graph().value(b.persistent ? b.values.front() : b.values.back()).name;
      }
    EXPECT_THAT(QToolTip::text().toStdString(), HasSubstr("<b>" + expected + "</b>"));
    EXPECT_THAT(QToolTip::text().toStdString(),
                HasSubstr(recording_.graph().op(schedule.steps[static_cast<size_t>(step)].op).name));
  });
  EXPECT_GT(columns, 20);
}

TEST_F(TimelineViews, HoverAboveTheStackTellsTheOpAlone) {
  QTest::mouseMove(&plot_, point(0.02, 0.5));
  QTest::mouseMove(&plot_, point(0.02, 0.03));
  EXPECT_THAT(QToolTip::text().toStdString(), HasSubstr("phase"));
  EXPECT_THAT(QToolTip::text().toStdString(), testing::Not(HasSubstr("category")));
}

}  // namespace
}  // namespace tidemark::gui
