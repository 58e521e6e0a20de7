#include "gui/models/phase_bands.h"

#include <gtest/gtest.h>

#include "tests/gui/random_program.h"

namespace tidemark::gui {
namespace {

/// The phase that an op runs in, by looking back.
Phase phase_in_which(const Curve& curve, size_t segment) {
  const auto step = [&](size_t i) { return curve.program->steps[static_cast<size_t>(curve.clock[i].step)]; };
  if (!step(segment).recompute) return step(segment).phase;
  while (segment > 0 && (step(segment).recompute || !in_body(step(segment).phase))) --segment;
  return step(segment).phase;
}

void expect_bands(const Curve& curve) {
  const std::vector<Band> bands = phase_bands(curve);
  EXPECT_EQ(bands.front().begin, curve.clock.begin());
  EXPECT_EQ(bands.back().end, curve.clock.end());
  for (size_t i = 1; i < bands.size(); ++i) {
    EXPECT_EQ(bands[i].begin, bands[i - 1].end);
    EXPECT_TRUE(bands[i].phase != bands[i - 1].phase || bands[i].micro_batch != bands[i - 1].micro_batch);
  }
  for (size_t i = 0; i < curve.clock.size(); ++i) {
    const double middle = (curve.clock[i].begin + curve.clock.end_of(i)) / 2;
    for (const Band& b : bands)
      if (b.begin < middle && middle < b.end) {
        EXPECT_EQ(b.phase, phase_in_which(curve, i));
        EXPECT_EQ(b.micro_batch, curve.clock[i].micro_batch);
      }
  }
}

TEST(PhaseBands, HoldTheOpsOfTheirPhaseAndMicroBatch) {
  const Scene scene = test::random_scene({.seed = 8, .micro_batches = 3});
  EXPECT_EQ(phase_bands(scene.main).size(), 2u + 2 * 3u) << "prepare, thrice forward and backward, optimizer";
  expect_bands(scene.main);
}

TEST(PhaseBands, ShowOptimizerOpsAmongTheBackwardOnes) {
  const test::RandomShape shape{.seed = 10};
  const Program drawn = test::random_program(shape);
  std::vector<ProgramStep> steps(drawn.steps.begin(), drawn.steps.end());
  for (size_t s = 21; s < 30; s += 4) steps[s] = {"adamw", "adamw", "", Phase::optimizer, false};
  for (size_t s : {23u, 26u}) steps[s] = {"again", "linear", "", Phase::forward, true};
  const Curve curve{std::make_shared<Program>(program_of(steps, {})),
                    counting_ops(test::random_clock(shape))};
  EXPECT_EQ(phase_bands(curve).size(), 2u + 2 * 3u + 1u) << "each splits the backward phase";
  expect_bands(curve);
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
