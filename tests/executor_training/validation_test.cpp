// Validation between steps: the loss of other data, and nothing else.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/executor_training/tiny.h"

namespace tidemark {
namespace {

class Validation : public ::testing::TestWithParam<TinyOptions> {
 protected:
  static TinyOptions options(int micro_batches = 1) {
    TinyOptions o = GetParam();
    o.micro_batches = micro_batches;
    return o;
  }
};
const TinyOptions kDropping[] = {
    {.preset = "lstm-tiny", .changes = R"({"dropout":0.5})"},
    {.preset = "transformer-tiny", .changes = R"({"dropout":0.3,"label_smoothing":0})"},
    {.preset = "s4d-tiny", .changes = R"({"dropout":0.4})"}};
const TinyOptions kPlain[] = {
    {.preset = "llama-tiny"}, {.preset = "lstm-tiny"}, {.preset = "nade-tiny"}, {.preset = "made-tiny"}};
const auto name_of_case = [](const auto& info) {
  std::string name = info.param.preset;
  return name.substr(0, name.find('-'));
};
INSTANTIATE_TEST_SUITE_P(Plain, Validation, ::testing::ValuesIn(kPlain), name_of_case);

TEST_P(Validation, LeavesTheRunAsItWas) {
  for (int micro_batches : {1, 2}) {
    const Tiny tiny(options(micro_batches));
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

class WithoutDropout : public Validation {};
INSTANTIATE_TEST_SUITE_P(Plain, WithoutDropout, ::testing::ValuesIn(kPlain), name_of_case);

// With a learning rate of nothing, a step's loss is what validation says of the same batch.
TEST_P(WithoutDropout, IsTheMeanLossOfItsBatches) {
  const Tiny tiny(options());
  const Plan plan = tiny.keep_all();
  TinyRun run(tiny, plan);
  Session session(run.runtime, {.peak = 0}, 11);
  const double first = session.step(run.feed()).loss, second = session.step(run.feed()).loss;
  EXPECT_DOUBLE_EQ(session.validate(run.feed(), 1), first);
  EXPECT_DOUBLE_EQ(session.validate(run.feed(), 2), (first + second) / 2);
}

class WithDropout : public Validation {};
INSTANTIATE_TEST_SUITE_P(Dropping, WithDropout, ::testing::ValuesIn(kDropping), name_of_case);

// Validation is what the model's graph for inference says, and training is not.
TEST_P(WithDropout, IsOffInValidation) {
  const Tiny tiny(options());
  const Plan plan = tiny.keep_all();
  TinyRun run(tiny, plan);
  Session session(run.runtime, {.peak = 0}, 11);
  const double dropped = session.step(run.feed()).loss;

  TinyOptions without = options();
  without.changes = R"({"dropout":0,"label_smoothing":0})";
  const Tiny plain(without);
  const Plan plain_plan = plain.keep_all();
  TinyRun plain_run(plain, plain_plan);
  const double expected = Session(plain_run.runtime, {.peak = 0}, 11).step(plain_run.feed()).loss;
  EXPECT_NEAR(session.validate(run.feed(), 1), expected, 1e-6 * expected);
  EXPECT_GT(std::abs(dropped - expected), 1e-4 * expected);
  EXPECT_DOUBLE_EQ(Session(run.runtime, {.peak = 0}, 11).step(run.feed()).loss, dropped);
}

}  // namespace
}  // namespace tidemark
