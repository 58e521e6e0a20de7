#include "gui/widgets/arena_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <QToolTip>

#include "executor/training/trace_tables.h"
#include "gui/widgets/theme.h"
#include "tests/gui/widgets/plot_fixture.h"

namespace tidemark::gui {
namespace {

using testing::HasSubstr;

class ArenaViews : public test::PlotTest<ArenaView> {
 protected:
  const std::vector<TraceBuffer> rows_ = trace_buffers(recording_.graph(), recording_.plan());

  /// The corner of every rectangle that is large enough to look at: its frame's inside, without its name.
  template <typename Check>
  int at_large_rectangles(Check check) const {
    const PlotGeometry plot = geometry();
    const StepClock& clock = scene().main.clock;
    int checked = 0;
    for (size_t i = 0; i < rows_.size(); ++i) {
      const double bottom = plot.y_of(static_cast<double>(rows_[i].offset)),
                   top = plot.y_of(static_cast<double>(rows_[i].offset + rows_[i].bytes));
      for (size_t s = 0; s < clock.size(); ++s) {
        if (clock[s].step != rows_[i].first_step) continue;
        const double left = plot.x_of(clock[s].begin), right = plot.x_of(clock.end_of(s));
        const double cursor = plot.x_of((clock[state_.cursor()].begin + clock.end_of(state_.cursor())) / 2);
        if (right - left < 8 || bottom - top < 8 || std::abs(left + 3 - cursor) < 3) continue;
        check(i, clock[s].step, QPoint(static_cast<int>(left) + 3, static_cast<int>(bottom) - 3));
        ++checked;
      }
    }
    return checked;
  }
};

TEST_F(ArenaViews, PaintEachBufferAtItsAddress) {
  const QImage picture = plot_.grab().toImage();
  const int rectangles = at_large_rectangles([&](size_t i, int32_t, QPoint corner) {
    EXPECT_EQ(picture.pixelColor(corner), theme::color_of(rows_[i].category)) << rows_[i].name;
  });
  EXPECT_GT(rectangles, 20);
}

TEST_F(ArenaViews, HoverTellsTheBufferUnderTheMouse) {
  const int rectangles = at_large_rectangles([&](size_t i, int32_t, QPoint corner) {
    QTest::mouseMove(&plot_, corner + QPoint(0, 40));
    QTest::mouseMove(&plot_, corner);
    EXPECT_THAT(QToolTip::text().toStdString(), HasSubstr("<b>" + rows_[i].name.str() + "</b>"));
  });
  EXPECT_GT(rectangles, 20);
}

TEST_F(ArenaViews, ClickSelectsTheBuffer) {
  at_large_rectangles([&](size_t i, int32_t step, QPoint corner) {
    QTest::mouseClick(&plot_, Qt::LeftButton, {}, corner);
    EXPECT_EQ(state_.selected(), static_cast<int32_t>(i));
    EXPECT_EQ(scene().main.clock[state_.cursor()].step, step);
  });
  QTest::mouseClick(&plot_, Qt::LeftButton, {}, point(0.5, 0.005));
  EXPECT_EQ(state_.selected(), ViewState::kNoBuffer) << "above the arena";
}

TEST_F(ArenaViews, LeaveOutHiddenCategories) {
  state_.set_visible(Category::activation, false);
  const QImage picture = plot_.grab().toImage();
  for (int y = 0; y < picture.height(); ++y)
    for (int x = 0; x < picture.width(); ++x)
      ASSERT_NE(picture.pixelColor(x, y), theme::color_of(Category::activation)) << x << ", " << y;
}

}  // namespace
}  // namespace tidemark::gui
