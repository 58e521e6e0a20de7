#include "gui/widgets/main_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <QApplication>
#include <QLabel>
#include <QTest>

#include "base/error.h"
#include "gui/widgets/arena_view.h"
#include "gui/widgets/step_selector.h"
#include "gui/widgets/timeline_view.h"
#include "tests/gui/recording.h"
#include "tests/gui/widgets/plot_fixture.h"
#include "tests/scratch.h"

namespace tidemark::gui {
namespace {

using testing::HasSubstr;

class MainWindows : public ScratchTest {
 protected:
  const tidemark::test::Recording recording_{{.budget_percent = 85}};
};

TEST_F(MainWindows, FollowAGrowingTraceWithoutLosingTheZoom) {
  TraceWriter writer = recording_.start_trace(path("run.tide"));
  recording_.write_step(writer, 0);
  MainWindow window({path("run.tide")});
  window.resize(1200, 800);
  window.show();
  auto* plot = window.findChild<TimelineView*>();
  auto* steps = window.findChild<StepSelector*>();
  test::turn_wheel(*plot, plot->geometry_of_plot().area.center(), 6);
  const AxisRange zoomed = window.state().time();
  const double first_end = window.state().scene().main.clock.end();
  recording_.write_step(writer, 1);
  window.refresh();
  EXPECT_EQ(steps->chosen(), 1);
  EXPECT_NE(window.state().scene().main.clock.end(), first_end) << "the new step is shown";
  EXPECT_EQ(window.state().time().begin(), zoomed.begin());
  EXPECT_EQ(window.state().time().span(), zoomed.span());
  steps->follow()->setChecked(false);
  recording_.write_step(writer, 2);
  window.refresh();
  EXPECT_EQ(steps->chosen(), 1);
  EXPECT_EQ(steps->list()->count(), 3);
}

TEST_F(MainWindows, WaitForTheFirstTrainingStep) {
  TraceWriter writer = recording_.start_trace(path("run.tide"));
  MainWindow window({path("run.tide")});
  window.show();
  window.refresh();
  EXPECT_TRUE(window.state().scene().main.clock.empty());
  recording_.write_step(writer, 0);
  window.refresh();
  EXPECT_FALSE(window.state().scene().main.clock.empty());
  EXPECT_TRUE(window.state().time().whole());
}

TEST_F(MainWindows, TakeUpANewRunIntoTheSameFile) {
  recording_.save_trace(path("run.tide"), 5);
  MainWindow window({path("run.tide")});
  window.show();
  const tidemark::test::Recording longer({.length = 256});
  TraceWriter writer = longer.start_trace(path("run.tide"));
  longer.write_step(writer, 0);
  window.refresh();
  EXPECT_EQ(window.findChild<StepSelector*>()->chosen(), 0);
  EXPECT_EQ(window.state().scene().main.program->arena_bytes <= recording_.plan().arena_bytes, false);
  std::filesystem::remove(path("run.tide"));
  window.refresh();
  EXPECT_FALSE(window.grab().isNull()) << "what was read is still shown";
}

TEST_F(MainWindows, SwitchPlotsByKeyAndShareTheirTime) {
  recording_.save_trace(path("run.tide"));
  MainWindow window({path("run.tide")});
  window.resize(1200, 800);
  window.show();
  QApplication::setActiveWindow(&window);
  auto* timeline = window.findChild<TimelineView*>();
  auto* arena = window.findChild<ArenaView*>();
  EXPECT_TRUE(timeline->isVisible());
  test::turn_wheel(*timeline, timeline->geometry_of_plot().area.center(), 4);
  QTest::keyClick(timeline, Qt::Key_A);
  EXPECT_TRUE(arena->isVisible());
  EXPECT_EQ(arena->geometry_of_plot().time, timeline->geometry_of_plot().time);
  QTest::keyClick(arena, Qt::Key_T);
  EXPECT_TRUE(timeline->isVisible());
}

TEST_F(MainWindows, ShowTheTrainingStepThatIsAskedFor) {
  recording_.save_trace(path("run.tide"), 4);
  MainWindow window({path("run.tide")});
  window.show_step(1);
  EXPECT_EQ(window.findChild<StepSelector*>()->chosen(), 1);
  EXPECT_THAT(message_of<Error>([&] { window.show_step(9); }), HasSubstr("no complete training step 9"));
}

TEST_F(MainWindows, HaveNoClippedText) {
  recording_.save_trace(path("run.tide"));
  recording_.save_plan(path("plan.json"));
  MainWindow window({path("run.tide"), path("plan.json")});
  window.resize(1360, 860);
  window.show();
  QApplication::processEvents();
  for (const QLabel* label : window.findChildren<QLabel*>()) {
    if (!label->isVisible() || label->wordWrap()) continue;
    EXPECT_LE(label->sizeHint().width(), label->width()) << label->text().toStdString();
    EXPECT_LE(label->sizeHint().height(), label->height()) << label->text().toStdString();
  }
}

TEST_F(MainWindows, RefuseBadFiles) {
  EXPECT_THAT(message_of<Error>([&] { const MainWindow window({write("bad", "x")}); }),
              HasSubstr("neither a trace nor a plan"));
}

}  // namespace
}  // namespace tidemark::gui
