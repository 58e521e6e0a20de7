#include "gui/models/buffer_table.h"

#include <gtest/gtest.h>

#include <QAbstractItemModelTester>
#include <set>

#include "gui/models/buffer_filter.h"
#include "tests/gui/random_program.h"

namespace tidemark::gui {
namespace {

constexpr auto kFatal = QAbstractItemModelTester::FailureReportingMode::Fatal;

class BufferTables : public testing::Test {
 protected:
  std::set<std::string> names_shown() const {
    std::set<std::string> names;
    for (int row = 0; row < filter_.rowCount(); ++row)
      names.insert(filter_.index(row, BufferTable::kName).data().toString().toStdString());
    return names;
  }

  template <typename Accept>
  std::set<std::string> names_where(Accept accept) const {
    std::set<std::string> names;
    for (const TraceBuffer& b : program_->buffers)
      if (accept(b)) names.insert(b.name);
    return names;
  }

  const std::shared_ptr<Program> program_ =
      std::make_shared<Program>(test::random_program({.seed = 31, .lanes = 30}));
  BufferTable table_;
  BufferFilter filter_{&table_};
  QAbstractItemModelTester table_tester_{&table_, kFatal};
  QAbstractItemModelTester filter_tester_{&filter_, kFatal};
};

TEST_F(BufferTables, HoldWhatLivesAtAStep) {
  for (int32_t step = 0; step < static_cast<int32_t>(program_->steps.size()); ++step) {
    table_.show(program_, step);
    EXPECT_EQ(names_shown(),
              names_where([&](const TraceBuffer& b) { return b.first_step <= step && step <= b.last_step; }));
    EXPECT_EQ(filter_.bytes(), total(program_->live[static_cast<size_t>(step)]));
  }
}

TEST_F(BufferTables, ShowEveryColumnOfABuffer) {
  table_.show(program_, 7);
  ASSERT_GT(table_.rowCount(), 5);
  for (int row = 0; row < table_.rowCount(); ++row) {
    const auto text = [&](int column) { return table_.index(row, column).data().toString().toStdString(); };
    const TraceBuffer& b = program_->buffers[table_.index(row, 0).data(BufferTable::kBufferRole).toUInt()];
    EXPECT_EQ(text(BufferTable::kName), b.name);
    EXPECT_EQ(text(BufferTable::kCategory), name_of(b.category));
    EXPECT_EQ(text(BufferTable::kBytes), std::to_string(b.bytes) + " B");
    EXPECT_EQ(text(BufferTable::kOp), b.op);
    EXPECT_EQ(text(BufferTable::kModule), b.module);
    EXPECT_EQ(text(BufferTable::kFirstStep), std::to_string(b.first_step));
    EXPECT_EQ(text(BufferTable::kLastStep), std::to_string(b.last_step));
    EXPECT_EQ(table_.row_of(table_.index(row, 0).data(BufferTable::kBufferRole).toInt()), row);
  }
  for (int column = 0; column < BufferTable::kColumns; ++column)
    EXPECT_FALSE(table_.headerData(column, Qt::Horizontal, Qt::DisplayRole).toString().isEmpty());
}

TEST_F(BufferTables, SortNumbersAsNumbers) {
  table_.show(program_, 12);
  filter_.sort(BufferTable::kBytes, Qt::DescendingOrder);
  for (int row = 1; row < filter_.rowCount(); ++row)
    EXPECT_GE(filter_.index(row - 1, BufferTable::kBytes).data(BufferTable::kSortRole).toLongLong(),
              filter_.index(row, BufferTable::kBytes).data(BufferTable::kSortRole).toLongLong());
}

TEST_F(BufferTables, FindAllWordsInAnyColumn) {
  table_.show(program_, 12);
  filter_.set_words("MODULE.2 value");
  const auto live_in_module_2 =
      names_where([](const TraceBuffer& b) { return lives_at(b, 12) && b.module == "module.2"; });
  ASSERT_FALSE(live_in_module_2.empty());
  EXPECT_EQ(names_shown(), live_in_module_2);
  filter_.set_words("  activation ");
  EXPECT_EQ(names_shown(), names_where([](const TraceBuffer& b) {
              return lives_at(b, 12) && b.category == Category::activation;
            }));
  filter_.set_words("activation gradient");
  EXPECT_TRUE(names_shown().empty());
  EXPECT_EQ(filter_.bytes(), 0);
  filter_.set_words("");
  EXPECT_EQ(filter_.rowCount(), table_.rowCount());
}

TEST_F(BufferTables, LeaveOutHiddenCategories) {
  table_.show(program_, 20);
  const CategorySet visible(0x2b);
  filter_.set_visible(visible);
  EXPECT_EQ(names_shown(), names_where([&](const TraceBuffer& b) {
              return lives_at(b, 20) && visible[static_cast<size_t>(b.category)];
            }));
}

}  // namespace
}  // namespace tidemark::gui
