// Zoom, pan, keys and the cursor: alike in both plots.
#include <gtest/gtest.h>

#include "gui/widgets/arena_view.h"
#include "gui/widgets/timeline_view.h"
#include "tests/gui/widgets/plot_fixture.h"

namespace tidemark::gui {
namespace {

template <typename Plot>
using Navigation = test::PlotTest<Plot>;
using Plots = testing::Types<TimelineView, ArenaView>;
TYPED_TEST_SUITE(Navigation, Plots);

TYPED_TEST(Navigation, WheelKeepsTheTimeUnderTheMouse) {
  const QPoint at = this->point(0.37, 0.6);
  for (int notches : {1, 3, 5, -2}) {
    const double before = this->geometry().position_at(at.x());
    const double span = this->geometry().time.span();
    test::turn_wheel(this->plot_, at, notches);
    EXPECT_NEAR(this->geometry().position_at(at.x()), before, 1e-9 * span);
    EXPECT_EQ(this->geometry().time.span() < span, notches > 0);
  }
}

TYPED_TEST(Navigation, ControlWheelKeepsTheBytesUnderTheMouse) {
  const QPoint at = this->point(0.5, 0.3);
  const AxisRange time = this->geometry().time;
  for (int notches : {4, -1}) {
    const double before = this->geometry().bytes_at(at.y());
    const double span = this->geometry().bytes.span();
    test::turn_wheel(this->plot_, at, notches, Qt::ControlModifier);
    EXPECT_NEAR(this->geometry().bytes_at(at.y()), before, 1e-9 * span);
    EXPECT_EQ(this->geometry().bytes.span() < span, notches > 0);
  }
  EXPECT_EQ(this->geometry().time, time);
}

TYPED_TEST(Navigation, DragTakesTheDataAlong) {
  test::turn_wheel(this->plot_, this->point(0.5, 0.5), 10);
  test::turn_wheel(this->plot_, this->point(0.5, 0.5), 10, Qt::ControlModifier);
  const QPoint from = this->point(0.6, 0.4), to = from + QPoint(-83, 57);
  const double time = this->geometry().position_at(from.x()), bytes = this->geometry().bytes_at(from.y());
  const size_t cursor = this->state_.cursor();
  test::drag(this->plot_, from, to);
  EXPECT_NEAR(this->geometry().position_at(to.x()), time, 1e-9 * this->geometry().time.span());
  EXPECT_NEAR(this->geometry().bytes_at(to.y()), bytes, 1e-9 * this->geometry().bytes.span());
  EXPECT_EQ(this->state_.cursor(), cursor) << "a drag is no click";
}

TYPED_TEST(Navigation, KeysZoomPanAndReset) {
  const auto press = [&](Qt::Key key, Qt::KeyboardModifiers with = {}) {
    QTest::keyClick(&this->plot_, key, with);
    return this->geometry();
  };
  const PlotGeometry all = this->geometry();
  const PlotGeometry closer = press(Qt::Key_Plus);
  EXPECT_NEAR(closer.time.span(), all.time.span() / 1.5, 1e-9);
  EXPECT_NEAR(closer.time.begin() + closer.time.end(), all.time.begin() + all.time.end(), 1e-9);
  EXPECT_GT(press(Qt::Key_Right).time.begin(), closer.time.begin());
  EXPECT_NEAR(press(Qt::Key_Left).time.begin(), closer.time.begin(), 1e-9);
  EXPECT_GT(press(Qt::Key_Minus).time.span(), closer.time.span());
  const PlotGeometry taller = press(Qt::Key_Plus, Qt::ControlModifier);
  EXPECT_LT(taller.bytes.span(), all.bytes.span());
  EXPECT_GT(press(Qt::Key_Up).bytes.begin(), taller.bytes.begin());
  EXPECT_LT(press(Qt::Key_Down).bytes.begin(), taller.bytes.begin() + 1);
  press(Qt::Key_Plus);
  const PlotGeometry reset = press(Qt::Key_Home);
  EXPECT_EQ(reset.time, all.time);
  EXPECT_EQ(reset.bytes, all.bytes);
}

TYPED_TEST(Navigation, PGoesToThePeak) {
  for (int i = 0; i < 12; ++i) QTest::keyClick(&this->plot_, Qt::Key_Plus);
  for (int i = 0; i < 200; ++i) QTest::keyClick(&this->plot_, Qt::Key_Right);
  this->state_.set_cursor(0);
  const double span = this->geometry().time.span();
  QTest::keyClick(&this->plot_, Qt::Key_P);
  const Curve& curve = this->scene().main;
  const auto& live = curve.program->live;
  const int64_t peak = total(live[static_cast<size_t>(curve.clock[this->state_.cursor()].step)]);
  for (const CategoryBytes& bytes : live) EXPECT_LE(total(bytes), peak);
  const double at = curve.clock[this->state_.cursor()].begin;
  EXPECT_TRUE(this->geometry().time.begin() <= at && at <= this->geometry().time.end());
  EXPECT_NEAR(this->geometry().time.span(), span, 1e-12) << "without losing the zoom";
}

TYPED_TEST(Navigation, ClickSetsTheCursor) {
  for (double x : {0.1, 0.42, 0.77}) {
    const QPoint at = this->point(x, 0.8);
    QTest::mouseClick(&this->plot_, Qt::LeftButton, {}, at);
    const StepClock& clock = this->scene().main.clock;
    const double left = this->geometry().position_at(at.x()),
                 right = this->geometry().position_at(at.x() + 1);
    EXPECT_LE(clock[this->state_.cursor()].begin, right);
    EXPECT_GE(clock.end_of(this->state_.cursor()), left);
  }
}

TYPED_TEST(Navigation, NothingHappensOutsideOfThePlot) {
  const size_t cursor = this->state_.cursor();
  for (const QPoint at : {QPoint(3, 300), QPoint(450, 4), QPoint(450, 515), QPoint(897, 300)}) {
    QTest::mouseClick(&this->plot_, Qt::LeftButton, {}, at);
    QTest::mouseMove(&this->plot_, at);
  }
  EXPECT_EQ(this->state_.cursor(), cursor);
}

TYPED_TEST(Navigation, AnEmptySceneTakesEveryEvent) {
  Scene empty;
  empty.main.program = std::make_shared<Program>();
  this->state_.set_scene(empty);
  test::turn_wheel(this->plot_, this->point(0.5, 0.5), 2);
  test::turn_wheel(this->plot_, this->point(0.5, 0.5), 2, Qt::ControlModifier);
  test::drag(this->plot_, this->point(0.5, 0.5), this->point(0.7, 0.2));
  QTest::mouseClick(&this->plot_, Qt::LeftButton, {}, this->point(0.4, 0.4));
  QTest::mouseMove(&this->plot_, this->point(0.3, 0.3));
  for (Qt::Key key : {Qt::Key_P, Qt::Key_Home, Qt::Key_Plus, Qt::Key_Left, Qt::Key_Up})
    QTest::keyClick(&this->plot_, key);
  EXPECT_FALSE(this->plot_.grab().isNull());
}

}  // namespace
}  // namespace tidemark::gui
