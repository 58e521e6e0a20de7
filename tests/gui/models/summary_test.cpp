#include "gui/models/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/units.h"
#include "tests/gui/recording.h"
#include "tests/scratch.h"

namespace tidemark::gui {
namespace {

using test::Recording;
using testing::HasSubstr;
using State = SummaryRow::State;

class Summaries : public ScratchTest {
 protected:
  /// The row of a label; its value is empty where there is none.
  static SummaryRow row(const std::vector<std::string>& files, const std::string& label) {
    for (const SummaryRow& r : summarise(Session(files)))
      if (r.label == label) return r;
    return {};
  }
  std::string trace(const Recording& recording, const std::string& name) const {
    recording.save_trace(path(name));
    return path(name);
  }
  std::string plan(const Recording& recording, const std::string& name) const {
    recording.save_plan(path(name));
    return path(name);
  }
};

TEST_F(Summaries, SayThatAPlanHolds) {
  const Recording recording({.budget_percent = 85});
  const std::vector files = {trace(recording, "a"), plan(recording, "b")};
  const Plan& p = recording.plan();
  EXPECT_THAT(row(files, "Measured peak").detail, HasSubstr(format_count(p.arena_bytes) + " bytes"));
  EXPECT_THAT(row(files, "Planned peak").detail, HasSubstr(format_count(p.arena_bytes) + " bytes"));
  EXPECT_EQ(row(files, "Measured vs planned").value, "equal, to the byte");
  EXPECT_EQ(row(files, "Measured vs planned").state, State::good);
  EXPECT_EQ(row(files, "Below the budget by").value, format_bytes(p.budget_bytes - p.arena_bytes));
  EXPECT_EQ(row(files, "Unplanned peak").value, format_bytes(p.unplanned_peak_bytes));
  EXPECT_EQ(row(files, "Strategy").value, p.strategy);
  EXPECT_EQ(row(files, "Predicted step").value, format_seconds(p.predicted_seconds));
  EXPECT_EQ(row(files, "Damage").value, "");
}

TEST_F(Summaries, SayThatAPlanDoesNotHold) {
  const Recording recording;
  {
    TraceWriter writer = recording.start_trace(path("a"));
    recording.write_step(writer, 0);
    writer.step({.number = 1, .arena_resident_bytes = recording.plan().arena_bytes + 8192});
  }
  const std::vector files = {path("a"), plan(recording, "b")};
  EXPECT_EQ(row(files, "Measured vs planned").value, "8.0 KiB above");
  EXPECT_EQ(row(files, "Measured vs planned").state, State::bad);
}

TEST_F(Summaries, CompareNothingThatCannotBeCompared) {
  const Recording recording;
  const std::string other = plan(Recording({.length = 64}), "b");
  EXPECT_EQ(row({trace(recording, "a"), other}, "Measured vs planned").value, "not of this plan");
  EXPECT_EQ(row({trace(recording, "a")}, "Measured vs planned").value, "");
  EXPECT_EQ(row({trace(recording, "a")}, "Planned peak").value, "");
  EXPECT_EQ(row({other}, "Measured peak").value, "");
}

TEST_F(Summaries, SayWhatIsDamaged) {
  const std::string file = trace(Recording(), "a");
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 5);
  const SummaryRow damage = row({file}, "Damage");
  EXPECT_THAT(damage.value, HasSubstr("cut short"));
  EXPECT_EQ(damage.state, State::bad);
}

}  // namespace
}  // namespace tidemark::gui
