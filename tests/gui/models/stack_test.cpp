#include "gui/models/stack.h"

#include <gtest/gtest.h>

#include "tests/gui/random_program.h"

namespace tidemark::gui {
namespace {

using test::RandomShape;

/// By looking at every buffer.
int64_t visible_bytes(const Program& program, int32_t step, CategorySet visible) {
  int64_t sum = 0;
  for (const TraceBuffer& b : program.buffers)
    if (b.first_step <= step && step <= b.last_step && visible[static_cast<size_t>(b.category)])
      sum += b.bytes;
  return sum;
}

class Stacks : public testing::TestWithParam<RandomShape> {
 protected:
  const Program program_ = test::random_program(GetParam());
  const StepClock clock_ = test::random_clock(GetParam());
  const std::vector<CategorySet> sets_ = {CategorySet(0xff), CategorySet(0x5a), CategorySet(0)};
};

TEST_P(Stacks, AddUpToTheBuffersThatLive) {
  for (CategorySet visible : sets_)
    for (int32_t s = 0; s < GetParam().steps; ++s)
      EXPECT_EQ(sum_of(program_.live[static_cast<size_t>(s)], visible), visible_bytes(program_, s, visible));
}

TEST_P(Stacks, LoseNoPeakHoweverFewColumnsThereAre) {
  for (CategorySet visible : sets_) {
    for (int columns : {1, 7, 64, 1000}) {
      const double from = clock_.end() * 0.1, to = clock_.end() * 0.95;
      const auto peaks = peak_columns(program_, clock_, visible, from, to, columns);
      ASSERT_EQ(peaks.size(), static_cast<size_t>(columns));
      for (int c = 0; c < columns; ++c) {
        const double left = from + c * (to - from) / columns, right = from + (c + 1) * (to - from) / columns;
        int64_t most = -1;
        for (size_t i = 0; i < clock_.size(); ++i)  // what is not empty, and begins or goes on in the column
          if (clock_[i].begin < right && clock_.end_of(i) > left)
            most = std::max(most, visible_bytes(program_, clock_[i].step, visible));
        const int64_t peak = peaks[static_cast<size_t>(c)];
        ASSERT_GE(peak, 0);
        EXPECT_GE(visible_bytes(program_, clock_[static_cast<size_t>(peak)].step, visible), most);
        EXPECT_LT(clock_[static_cast<size_t>(peak)].begin, right);
        EXPECT_GE(clock_.end_of(static_cast<size_t>(peak)), left);
      }
    }
  }
}

TEST_P(Stacks, HaveNothingWhereNothingRan) {
  const auto peaks = peak_columns(program_, clock_, sets_[0], -clock_.end(), 2 * clock_.end(), 300);
  for (int c = 0; c < 300; ++c) EXPECT_EQ(peaks[static_cast<size_t>(c)] >= 0, 100 <= c && c < 200) << c;
}

TEST_P(Stacks, PeakWhereTheMostBytesLive) {
  for (CategorySet visible : sets_) {
    const size_t peak = peak_segment(program_, clock_, visible);
    for (size_t i = 0; i < clock_.size(); ++i) {
      const int64_t here = visible_bytes(program_, clock_[i].step, visible);
      EXPECT_LE(here, visible_bytes(program_, clock_[peak].step, visible));
      if (i < peak) {
        EXPECT_LT(here, visible_bytes(program_, clock_[peak].step, visible));
      }
    }
  }
}

/// Every byte of the stack belongs to one buffer, of the category whose colour is there.
TEST_P(Stacks, KnowWhoseEachByteIs) {
  for (CategorySet visible : sets_) {
    for (int32_t step = 0; step < GetParam().steps; step += 3) {
      std::vector<int64_t> found(program_.buffers.size(), 0);
      const int64_t height = visible_bytes(program_, step, visible);
      int64_t category_end = 0, byte = 0;
      for (Category category : kStackOrder) {
        if (!visible[static_cast<size_t>(category)]) continue;
        category_end += program_.live[static_cast<size_t>(step)][static_cast<size_t>(category)];
        for (; byte < category_end; ++byte) {
          const int32_t i = buffer_in_stack(program_, step, visible, static_cast<double>(byte));
          ASSERT_GE(i, 0);
          ASSERT_EQ(program_.buffers[static_cast<size_t>(i)].category, category);
          ++found[static_cast<size_t>(i)];
        }
      }
      EXPECT_EQ(byte, height);
      EXPECT_EQ(buffer_in_stack(program_, step, visible, static_cast<double>(height)), -1);
      EXPECT_EQ(buffer_in_stack(program_, step, visible, -1), -1);
      for (size_t i = 0; i < found.size(); ++i) {
        const TraceBuffer& b = program_.buffers[i];
        const bool there = lives_at(b, step) && visible[static_cast<size_t>(b.category)];
        EXPECT_EQ(found[i], there ? b.bytes : 0);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Random, Stacks,
                         testing::Values(RandomShape{.seed = 5, .lane_bytes = 50},
                                         RandomShape{
                                             .seed = 6, .steps = 24, .lane_bytes = 30, .micro_batches = 3}));

}  // namespace
}  // namespace tidemark::gui
