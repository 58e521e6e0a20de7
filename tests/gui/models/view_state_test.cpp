#include "gui/models/view_state.h"

#include <gtest/gtest.h>

#include <QSignalSpy>

#include "tests/gui/random_program.h"

namespace tidemark::gui {
namespace {

class ViewStates : public testing::Test {
 protected:
  ViewStates() { state_.set_scene(test::random_scene({.seed = 41, .micro_batches = 2})); }
  const StepClock& clock() const { return state_.scene().main.clock; }
  const Program& program() const { return *state_.scene().main.program; }

  ViewState state_;
};

TEST_F(ViewStates, StartAtThePeakWithEverythingInSight) {
  EXPECT_TRUE(state_.time().whole());
  EXPECT_EQ(state_.cursor(), peak_segment(program(), clock(), state_.visible()));
}

TEST_F(ViewStates, KeepZoomAndCursorFromStepToStep) {
  state_.zoom_time(5, clock().end() / 3);
  state_.set_cursor(7);
  const AxisRange before = state_.time();
  const QSignalSpy changed(&state_, &ViewState::scene_changed);
  Scene longer = test::random_scene({.seed = 42, .micro_batches = 2});
  state_.set_scene(std::move(longer));
  EXPECT_EQ(changed.count(), 1);
  EXPECT_EQ(state_.time().begin(), before.begin());
  EXPECT_EQ(state_.time().span(), before.span());
  EXPECT_EQ(state_.cursor(), 7u);
}

TEST_F(ViewStates, ShowEverythingOfAnotherAxis) {
  state_.zoom_time(5, 0);
  Scene counted = state_.scene();
  counted.main.clock = counting_ops(counted.main.clock);
  state_.set_scene(std::move(counted));
  EXPECT_TRUE(state_.time().whole());
  EXPECT_EQ(state_.time().end(), static_cast<double>(clock().size()));
}

TEST_F(ViewStates, JumpToThePeakOfWhatIsVisible) {
  state_.zoom_time(20, 0);
  for (int c = 0; c < kCategoryCount; ++c) state_.set_visible(static_cast<Category>(c), c == 2);
  state_.set_cursor(0);
  state_.jump_to_peak();
  EXPECT_EQ(state_.cursor(), peak_segment(program(), clock(), state_.visible()));
  const double peak = clock()[state_.cursor()].begin;
  EXPECT_TRUE(state_.time().begin() <= peak && peak <= state_.time().end());
}

TEST_F(ViewStates, TellOnlyWhatChanges) {
  const QSignalSpy time(&state_, &ViewState::time_changed), visible(&state_, &ViewState::visible_changed),
      cursor(&state_, &ViewState::cursor_changed), selected(&state_, &ViewState::selected_changed);
  state_.reset_time();
  state_.pan_time(1);  // all is in sight already
  state_.set_visible(Category::input, true);
  state_.set_cursor(state_.cursor());
  state_.set_cursor(clock().size());  // there is no such segment
  state_.select(ViewState::kNoBuffer);
  EXPECT_EQ(time.count() + visible.count() + cursor.count() + selected.count(), 0);
  state_.zoom_time(2, 0);
  state_.set_visible(Category::input, false);
  state_.set_cursor(0);
  state_.select(3);
  EXPECT_EQ(time.count(), 1);
  EXPECT_EQ(visible.count(), 1);
  EXPECT_EQ(cursor.count(), 1);
  EXPECT_EQ(selected.count(), 1);
}

TEST(ViewState, SurvivesAnEmptyScene) {
  ViewState state;
  Scene empty;
  empty.main.program = std::make_shared<Program>();
  state.set_scene(empty);
  state.jump_to_peak();
  state.set_cursor(3);
  EXPECT_EQ(state.cursor(), 0u);
  state.set_scene(test::random_scene({}));
  EXPECT_EQ(state.cursor(),
            peak_segment(*state.scene().main.program, state.scene().main.clock, state.visible()));
}

}  // namespace
}  // namespace tidemark::gui
