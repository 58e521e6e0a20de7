#include "gui/models/hover_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/gui/random_program.h"

namespace tidemark::gui {
namespace {

using testing::HasSubstr;
using testing::Not;

/// One buffer of 3 MiB from step 1 to 2, twice: in each of two micro-batches, for 30 and 40 ms.
Scene small_scene() {
  const Program program =
      program_of({{"clear", "zero", "", Phase::prepare},
                  {"mlp<0>.up", "linear", "mlp<0>", Phase::forward},
                  {"mlp<0>.up.grad", "linear_grad", "mlp<0>", Phase::backward, true}},
                 {{"a<b>", "f32[3, 2]", "mlp<0>.up", "mlp<0>", Category::activation, 3 << 20, 0, 1, 2, false},
                  {"weight", "", "", "", Category::parameter, 64, 3 << 20, 0, 2, true}});
  Scene scene;
  scene.micro_batches = 2;
  std::vector<Segment> segments = {{0, -1, 0, 0, 0.01},
                                   {1, 0, 0.01, 0.01, 0.01},
                                   {2, 0, 0.02, 0.02, 0.02},
                                   {1, 1, 0.04, 0.04, 0.02},
                                   {2, 1, 0.06, 0.06, 0.02}};
  scene.main = {std::make_shared<Program>(program), StepClock(segments, 0.08, AxisUnit::seconds)};
  return scene;
}

TEST(HoverText, TellsABufferAndTheOpThatRuns) {
  const std::string text = hover_text(small_scene(), 4, 0).toStdString();
  EXPECT_THAT(text, HasSubstr("a&lt;b&gt;"));
  EXPECT_THAT(text, HasSubstr("3.0 MiB (3,145,728)"));
  EXPECT_THAT(text, HasSubstr("activation"));
  EXPECT_THAT(text, HasSubstr("f32[3, 2]"));
  EXPECT_THAT(text, HasSubstr("mlp&lt;0&gt;.up"));
  EXPECT_THAT(text, HasSubstr("steps 1 to 2, 40.0 ms"));
  EXPECT_THAT(text, HasSubstr("60.000 ms, step 2, micro-batch 2 of 2"));
  EXPECT_THAT(text, HasSubstr("mlp&lt;0&gt;.up.grad (linear_grad)"));
  EXPECT_THAT(text, HasSubstr("backward, recomputed"));
  EXPECT_THAT(hover_text(small_scene(), 1, 0).toStdString(), HasSubstr("steps 1 to 2, 30.0 ms"));
}

TEST(HoverText, TellsTimesOnAnAxisOfOps) {
  Scene scene = small_scene();
  scene.main.clock = counting_ops(scene.main.clock);
  EXPECT_THAT(hover_text(scene, 4, 0).toStdString(), HasSubstr("steps 1 to 2, 40.0 ms"));
}

TEST(HoverText, TellsWhatAlwaysLives) {
  EXPECT_THAT(hover_text(small_scene(), 0, 1).toStdString(), HasSubstr("always"));
}

TEST(HoverText, TellsTheOpWhereNoBufferIs) {
  const std::string text = hover_text(small_scene(), 0, -1).toStdString();
  EXPECT_THAT(text, HasSubstr("clear (zero)"));
  EXPECT_THAT(text, Not(HasSubstr("category")));
}

}  // namespace
}  // namespace tidemark::gui
