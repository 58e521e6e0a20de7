// Legend, table, summary and step selector.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <QSignalSpy>
#include <QTest>

#include "base/units.h"
#include "gui/widgets/buffer_panel.h"
#include "gui/widgets/legend.h"
#include "gui/widgets/step_selector.h"
#include "gui/widgets/summary_panel.h"
#include "gui/widgets/theme.h"
#include "tests/gui/random_program.h"

namespace tidemark::gui {
namespace {

using testing::HasSubstr;

class Panels : public testing::Test {
 protected:
  int64_t live_at_cursor(CategorySet visible) const {
    const Curve& curve = state_.scene().main;
    int64_t sum = 0;
    for (const TraceBuffer& b : curve.program->buffers)
      if (lives_at(b, curve.clock[state_.cursor()].step) && visible[static_cast<size_t>(b.category)])
        sum += b.bytes;
    return sum;
  }

  ViewState state_;
};

TEST_F(Panels, LegendHidesACategoryAndShowsItAgain) {
  Legend legend(state_, nullptr);
  state_.set_scene(test::random_scene({.seed = 51, .lanes = 30}));
  legend.show();
  LegendItem* item = legend.item(Category::gradient);
  const QPoint swatch = item->mapTo(&legend, item->swatch().center());
  EXPECT_EQ(legend.grab().toImage().pixelColor(swatch), theme::color_of(Category::gradient));
  QTest::mouseClick(item, Qt::LeftButton);
  EXPECT_FALSE(state_.visible()[static_cast<size_t>(Category::gradient)]);
  EXPECT_NE(legend.grab().toImage().pixelColor(swatch), theme::color_of(Category::gradient));
  QTest::keyClick(item, Qt::Key_Space);
  EXPECT_TRUE(state_.visible().all());
}

TEST_F(Panels, LegendHasOnlyCategoriesThatAreUsed) {
  Legend legend(state_, nullptr);
  TraceBuffer buffer;
  buffer.category = Category::parameter;
  buffer.bytes = 64;
  Scene scene;
  scene.main = {std::make_shared<Program>(program_of({{}}, {buffer})), StepClock({{}}, 1, AxisUnit::seconds)};
  state_.set_scene(scene);
  for (int c = 0; c < kCategoryCount; ++c)
    EXPECT_EQ(legend.item(static_cast<Category>(c))->isVisibleTo(&legend),
              static_cast<Category>(c) == Category::parameter);
}

TEST_F(Panels, TableFollowsCursorSearchAndLegend) {
  BufferPanel panel(state_, nullptr);
  state_.set_scene(test::random_scene({.seed = 52, .lanes = 30}));
  for (size_t cursor : {size_t{0}, size_t{11}, size_t{30}}) {
    state_.set_cursor(cursor);
    EXPECT_THAT(panel.caption()->text().toStdString(), HasSubstr(format_bytes(live_at_cursor(0xff))));
  }
  const int all = panel.view()->model()->rowCount();
  state_.set_visible(Category::input, false);
  EXPECT_LT(panel.view()->model()->rowCount(), all);
  EXPECT_THAT(panel.caption()->text().toStdString(),
              HasSubstr(format_bytes(live_at_cursor(state_.visible()))));
  QTest::keyClicks(panel.search(), "gradient");
  EXPECT_THAT(panel.caption()->text().toStdString(),
              HasSubstr(format_bytes(live_at_cursor(1u << static_cast<int>(Category::gradient)))));
}

TEST_F(Panels, TableAndPlotsSelectTheSameBuffer) {
  BufferPanel panel(state_, nullptr);
  panel.resize(900, 300);
  panel.show();
  state_.set_scene(test::random_scene({.seed = 53, .lanes = 30}));
  const QModelIndex second = panel.view()->model()->index(1, BufferTable::kName);
  QTest::mouseClick(panel.view()->viewport(), Qt::LeftButton, {}, panel.view()->visualRect(second).center());
  EXPECT_EQ(state_.selected(), second.data(BufferTable::kBufferRole).toInt());
  const QModelIndex last = panel.view()->model()->index(panel.view()->model()->rowCount() - 1, 0);
  state_.select(last.data(BufferTable::kBufferRole).toInt());
  EXPECT_EQ(panel.view()->selectionModel()->selectedRows().front().row(), last.row());
}

TEST_F(Panels, SummaryShowsEachRow) {
  SummaryPanel panel(nullptr);
  panel.show_rows({{"Peak", "1.0 MiB", "exactly"}, {"Damage", "cut", "", SummaryRow::State::bad}});
  panel.show_rows({{"Peak", "2.0 MiB", "exactly"}});
  QStringList texts;
  for (const QLabel* label : panel.findChildren<QLabel*>()) texts << label->text();
  EXPECT_EQ(texts, QStringList({"Peak", "2.0 MiB"}));
}

TEST(StepSelectors, ChooseTheNewestWhileTheyFollow) {
  StepSelector selector(nullptr);
  EXPECT_EQ(selector.chosen(), std::nullopt);
  selector.set_steps({0, 1, 2});
  EXPECT_EQ(selector.chosen(), 2);
  selector.set_steps({0, 1, 2, 3});
  EXPECT_EQ(selector.chosen(), 3);
  selector.move(-2);
  EXPECT_EQ(selector.chosen(), 1);
  EXPECT_FALSE(selector.follow()->isChecked()) << "who goes back wants to stay";
  selector.set_steps({0, 1, 2, 3, 4});
  EXPECT_EQ(selector.chosen(), 1);
  selector.follow()->setChecked(true);
  selector.set_steps({0, 1, 2, 3, 4, 5});
  EXPECT_EQ(selector.chosen(), 5);
}

TEST(StepSelectors, StayWithinTheSteps) {
  StepSelector selector(nullptr);
  selector.move(1);
  selector.set_steps({7, 9});
  const QSignalSpy changed(&selector, &StepSelector::chosen_changed);
  selector.move(5);
  EXPECT_EQ(selector.chosen(), 9);
  selector.move(-5);
  EXPECT_EQ(selector.chosen(), 7);
  selector.choose(8);  // there is none
  EXPECT_EQ(selector.chosen(), 7);
  EXPECT_EQ(changed.count(), 1);
  selector.set_steps({100});  // another trace
  EXPECT_EQ(selector.chosen(), 100);
}

}  // namespace
}  // namespace tidemark::gui
