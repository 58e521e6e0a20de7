#include "gui/models/phase_bands.h"

#include <gtest/gtest.h>

#include "tests/gui/random_program.h"

namespace tidemark::gui {
namespace {

TEST(PhaseBands, HoldTheOpsOfTheirPhaseAndMicroBatch) {
  const Scene scene = test::random_scene({.seed = 8, .micro_batches = 3});
  const std::vector<Band> bands = phase_bands(scene.main);
  ASSERT_EQ(bands.size(), 2u + 2 * 3u) << "prepare, thrice forward and backward, optimizer";
  EXPECT_EQ(bands.front().begin, scene.main.clock.begin());
  EXPECT_EQ(bands.back().end, scene.main.clock.end());
  for (size_t i = 1; i < bands.size(); ++i) EXPECT_EQ(bands[i].begin, bands[i - 1].end);
  for (size_t i = 0; i < scene.main.clock.size(); ++i) {
    const Segment& s = scene.main.clock[i];
    const double middle = (s.begin + scene.main.clock.end_of(i)) / 2;
    for (const Band& b : bands)
      if (b.begin < middle && middle < b.end) {
        EXPECT_EQ(b.phase, scene.main.program->steps[static_cast<size_t>(s.step)].phase);
        EXPECT_EQ(b.micro_batch, s.micro_batch);
      }
  }
}

TEST(RecomputeSpans, CoverTheOpsThatRunAgain) {
  const Scene scene = test::random_scene({.seed = 9, .micro_batches = 2});
  const auto spans = recompute_spans(scene.main);
  int again = 0;
  for (size_t i = 0; i < scene.main.clock.size(); ++i) {
    const bool covered = std::ranges::any_of(
        spans, [i](const StepClock::Span& s) { return s.first_segment <= i && i < s.past_segment; });
    const ProgramStep& step = scene.main.program->steps[static_cast<size_t>(scene.main.clock[i].step)];
    EXPECT_EQ(covered, step.recompute);
    again += step.recompute ? 1 : 0;
  }
  EXPECT_GT(again, 0);
}

}  // namespace
}  // namespace tidemark::gui
