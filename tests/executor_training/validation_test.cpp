// Validation between steps: the loss of other data, and nothing else.
#include <gtest/gtest.h>

#include "tests/executor_training/tiny.h"

namespace tidemark {
namespace {

class Validation : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Presets, Validation,
                         ::testing::Values("llama-tiny", "lstm-tiny", "nade-tiny", "made-tiny"));

TEST_P(Validation, LeavesTheRunAsItWas) {
  for (int micro_batches : {1, 2}) {
    const Tiny tiny({.preset = GetParam(), .micro_batches = micro_batches});
    for (const Plan& plan : tiny.plans()) {
      TinyRun run(tiny, plan);
      Session session(run.runtime, {.peak = 1e-2, .warmup_steps = 2}, 11);
      for (int i = 0; i < 3; ++i) {
        session.step(run.feed());
        session.validate(run.feed(), 2);
      }
      EXPECT_EQ(run.runtime.resident_bytes(), plan.arena_bytes) << plan.strategy;
      const Bits expected = training_bits(tiny, plan, 3);
      for (const auto& slots : {parameter_slots(run.runtime), optimizer_slots(run.runtime)})
        for (const TensorSlot& slot : slots)
          EXPECT_TRUE(bits_of(slot.data, slot.type.bytes()) == expected.at(slot.name)) << slot.name;
    }
  }
}

// With a learning rate of nothing, a step's loss is what validation says of the same batch.
TEST_P(Validation, IsTheMeanLossOfItsBatches) {
  const Tiny tiny({.preset = GetParam()});
  const Plan plan = tiny.keep_all();
  TinyRun run(tiny, plan);
  Session session(run.runtime, {.peak = 0}, 11);
  const double first = session.step(run.feed()).loss, second = session.step(run.feed()).loss;
  EXPECT_DOUBLE_EQ(session.validate(run.feed(), 1), first);
  EXPECT_DOUBLE_EQ(session.validate(run.feed(), 2), (first + second) / 2);
}

}  // namespace
}  // namespace tidemark
