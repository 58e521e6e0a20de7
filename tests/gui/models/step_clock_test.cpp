#include "gui/models/step_clock.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "tests/gui/random_program.h"
#include "tests/gui/recording.h"
#include "tests/scratch.h"

namespace tidemark::gui {
namespace {

using test::RandomShape;

class Clocks : public testing::TestWithParam<RandomShape> {
 protected:
  const StepClock clock_ = test::random_clock(GetParam());
};

TEST_P(Clocks, FindTheSegmentOfAPosition) {
  for (double position = -0.5; position < clock_.end() + 0.5; position += 1.0 / 64) {
    size_t expected = 0;
    for (size_t i = 0; i < clock_.size(); ++i)
      if (clock_[i].begin <= position) expected = i;
    EXPECT_EQ(clock_.at(position), expected) << position;
  }
}

/// A buffer lives in every segment whose step is within its life: the spans cover just those.
TEST_P(Clocks, SpanTheSegmentsOfALife) {
  const int32_t steps = GetParam().steps;
  for (int32_t first = 0; first < steps; first += 3) {
    for (int32_t last = first; last < steps; last += 4) {
      std::vector<bool> covered(clock_.size(), false);
      for (const StepClock::Span& span : clock_.spans(first, last, clock_.begin(), clock_.end())) {
        EXPECT_EQ(span.begin, clock_[span.first_segment].begin);
        EXPECT_EQ(span.end, clock_.end_of(span.past_segment - 1));
        EXPECT_FALSE(span.first_segment > 0 && covered[span.first_segment - 1]) << "should be one span";
        std::fill(covered.begin() + static_cast<ptrdiff_t>(span.first_segment),
                  covered.begin() + static_cast<ptrdiff_t>(span.past_segment), true);
      }
      for (size_t i = 0; i < clock_.size(); ++i)
        EXPECT_EQ(covered[i], first <= clock_[i].step && clock_[i].step <= last) << i;
    }
  }
}

TEST_P(Clocks, SpanNoMoreThanIsAskedFor) {
  const double from = clock_.end() * 0.4, to = clock_.end() * 0.6;
  const auto all = clock_.spans(2, GetParam().steps - 3, clock_.begin(), clock_.end());
  const auto some = clock_.spans(2, GetParam().steps - 3, from, to);
  for (const StepClock::Span& span : some) EXPECT_TRUE(span.end >= from && span.begin <= to);
  // What is inside is inside of both.
  for (double x = from; x < to; x += 1.0 / 64) {
    const auto holds = [x](const StepClock::Span& s) { return s.begin <= x && x < s.end; };
    EXPECT_EQ(std::ranges::any_of(some, holds), std::ranges::any_of(all, holds)) << x;
  }
}

TEST_P(Clocks, CountOpsInTheSameOrder) {
  const StepClock counted = counting_ops(clock_);
  ASSERT_EQ(counted.size(), clock_.size());
  EXPECT_EQ(counted.end(), static_cast<double>(clock_.size()));
  for (size_t i = 0; i < counted.size(); ++i) {
    EXPECT_EQ(counted[i].step, clock_[i].step);
    EXPECT_EQ(counted.at(static_cast<double>(i) + 0.5), i);
  }
  EXPECT_EQ(counted.seconds_between(3, counted.size()), clock_.seconds_between(3, clock_.size()));
}

INSTANTIATE_TEST_SUITE_P(Random, Clocks,
                         testing::Values(RandomShape{.seed = 1}, RandomShape{.seed = 2, .micro_batches = 3},
                                         RandomShape{.seed = 3, .steps = 8, .micro_batches = 2}));

TEST(PredictedClock, LastsAsLongAsThePlanPredicts) {
  const tidemark::test::Recording recording({.micro_batches = 3});
  nlohmann::json document = to_json(recording.plan(), recording.graph());
  const StepClock clock = predicted_clock(plan_timeline_from_json(document, "plan.json"));
  EXPECT_NEAR(clock.end(), recording.plan().predicted_seconds, 1e-9 * clock.end());
  const auto starts = phase_starts(recording.graph(), recording.plan().schedule);
  const auto body = static_cast<size_t>(starts[3] - starts[1]);
  EXPECT_EQ(clock.size(), recording.plan().schedule.steps.size() + 2 * body);
}

TEST(PredictedClock, RefusesWhatNoMemoryHolds) {
  PlanTimeline plan;
  plan.micro_batches = 1 << 20;
  plan.steps.resize(100);
  EXPECT_THROW(predicted_clock(plan), Error);
}

using MeasuredClock = ScratchTest;

TEST_F(MeasuredClock, HasEveryOpOfEveryMicroBatchWhenItRan) {
  const tidemark::test::Recording recording({.micro_batches = 2});
  recording.save_trace(path("run.tide"), 2);
  const Trace trace(path("run.tide"));
  const StepClock clock = measured_clock(trace, 1);
  size_t at = 0;
  int64_t origin = -1;
  for (const tidemark::Run& run : trace.runs()) {
    if (run.training_step != 1) continue;
    const std::vector<TimeSpan> times = trace.times(run);
    for (size_t i = 0; i < times.size(); ++i, ++at) {
      if (origin < 0) origin = times[i].start_ns;
      EXPECT_EQ(clock[at].step, run.first + static_cast<int32_t>(i));
      EXPECT_EQ(clock[at].micro_batch, run.micro_batch);
      EXPECT_NEAR(clock[at].time, static_cast<double>(times[i].start_ns - origin) * 1e-9, 1e-12);
      EXPECT_NEAR(clock[at].seconds, static_cast<double>(times[i].end_ns - times[i].start_ns) * 1e-9, 1e-12);
    }
  }
  EXPECT_EQ(at, clock.size());
  EXPECT_TRUE(measured_clock(trace, 7).empty());
}

/// A clock that was set back, or a hostile file.
TEST_F(MeasuredClock, NeverRunsBackwards) {
  TraceWriter writer(path("run.tide"), {}, {}, std::vector<ProgramStep>(3));
  const std::vector<TimeSpan> late = {{INT64_MAX - 1, INT64_MAX}}, early = {{5, 7}, {9, 9}};
  writer.run(0, 0, 0, late);
  writer.run(0, 0, 1, early);
  const StepClock clock = measured_clock(Trace(path("run.tide")), 0);
  ASSERT_EQ(clock.size(), 3u);
  for (size_t i = 1; i < 3; ++i) EXPECT_GE(clock[i].begin, clock[i - 1].begin);
  EXPECT_GE(clock.end(), clock[2].begin);
}

}  // namespace
}  // namespace tidemark::gui
