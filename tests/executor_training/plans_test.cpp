// What a plan promises: the numbers of a run without it, the peak it predicts, and no other memory.
#include <gtest/gtest.h>

#include <random>

#include "tests/executor_training/tiny.h"

namespace tidemark {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

std::string label(const std::string& preset, const Plan& plan, int threads) {
  return preset + ", " + plan.strategy + " in " + std::to_string(plan.budget_bytes) + " bytes, " +
         std::to_string(threads) + " threads";
}

// Under a sanitizer, the guards alone are tried on every preset.
class Plans : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Presets, Plans,
                         kSanitized ? ::testing::Values("lstm-tiny", "fvsbn-tiny", "made-tiny", "s4-tiny")
                                    : ::testing::ValuesIn(kTinyPresets),
                         preset_test_name);
class GuardedPlans : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Presets, GuardedPlans, ::testing::ValuesIn(kTinyPresets), preset_test_name);

TEST_P(Plans, NeverChangeLossOrGradients) {
  for (DType dtype : {DType::f32, DType::bf16}) {
    const Tiny tiny({.preset = GetParam(), .dtype = dtype, .optimizer = false});
    const Bits expected = gradient_bits(tiny, tiny.keep_all(1));
    for (int threads : kThreads)
      for (const Plan& plan : tiny.plans(threads))
        expect_same(gradient_bits(tiny, plan), expected, label(GetParam(), plan, threads));
  }
}

TEST_P(Plans, NeverChangeATrainingRun) {
  for (int micro_batches : {1, 3}) {
    const Tiny tiny({.preset = GetParam(), .micro_batches = micro_batches});
    const Bits expected = training_bits(tiny, tiny.keep_all(1), 4);
    for (int threads : kThreads)
      for (const Plan& plan : tiny.plans(threads))
        expect_same(training_bits(tiny, plan, 4), expected, label(GetParam(), plan, threads));
  }
}

// Nor does it change how parameters without masters are rounded.
TEST(Rounding, IsTheSameUnderEveryPlanAndAnotherEachStep) {
  const Tiny tiny({.micro_batches = 2, .dtype = DType::bf16, .masters = false});
  for (const Value& v : tiny.graph.values()) EXPECT_FALSE(v.name.ends_with(".master")) << v.name;
  const Plan keep_all = tiny.keep_all(1);
  const Bits expected = training_bits(tiny, keep_all, 4);
  const int64_t least = tiny.request("local-search", 1).smallest_feasible_bytes;
  const Plan smallest = tiny.request("local-search", least).plan.value();
  expect_same(training_bits(tiny, smallest, 4), expected, "smallest plan");
  const auto seed = [&](int steps) {
    TinyRun run(tiny, keep_all);
    Session session(run.runtime, {}, 11);
    for (int i = 0; i < steps; ++i) session.step(run.feed());
    return run.runtime.data<int32_t>("optimizer.seed")[1];
  };
  EXPECT_NE(seed(1), seed(2));
}

TEST_P(Plans, NeverChangeARunThatUpdatesParametersEarly) {
  const Tiny tiny({.preset = GetParam(), .clip = false});
  const Bits expected = training_bits(tiny, tiny.keep_all(1), 4);
  const int64_t least = tiny.request("local-search", 1).smallest_feasible_bytes;
  const Plan plan = tiny.request("local-search", least).plan.value();
  bool updated = false, early = false;
  for (const Step& step : plan.schedule.steps) {
    const Phase phase = tiny.graph.op(step.op).phase;
    updated = updated || phase == Phase::optimizer;
    early = early || (updated && phase == Phase::backward);
  }
  // With one layer there is nothing to go back to behind the first gradient; the RNN fits as well without.
  const std::string& family = tiny.model->family();
  const bool expected_early = family != "fvsbn" && family != "nade";
  EXPECT_TRUE(early == expected_early || family == "rnn") << "the smallest plan holds all gradients at once";
  expect_same(training_bits(tiny, plan, 4, {.guard = GuardMode::scribble}), expected, GetParam());
  TinyRun run(tiny, plan);
  Session session(run.runtime, {}, 0);
  session.step(run.feed());
  EXPECT_EQ(run.runtime.resident_bytes(), plan.arena_bytes);
}

TEST_P(Plans, RunOnFewerThreadsThanTheyWereMadeFor) {
  const Tiny tiny({.preset = GetParam()});
  const Plan plan = tiny.keep_all(4);
  expect_same(training_bits(tiny, plan, 2, {.threads = 1}), training_bits(tiny, plan, 2), "1 of 4 threads");
}

TEST_P(Plans, PredictThePeakToTheByte) {
  for (int micro_batches : {1, 2}) {
    const Tiny tiny({.preset = GetParam(), .micro_batches = micro_batches});
    for (int threads : kThreads)
      for (const Plan& plan : tiny.plans(threads)) {
        TinyRun run(tiny, plan);
        Session session(run.runtime, {}, 0);
        for (int i = 0; i < 2; ++i) session.step(run.feed());
        EXPECT_EQ(run.runtime.resident_bytes(), plan.arena_bytes) << label(GetParam(), plan, threads);
      }
  }
}

TEST_P(Plans, MayCopyLateOrEarly) {
  const Tiny tiny({.preset = GetParam(), .micro_batches = 3});
  const Bits expected = training_bits(tiny, tiny.keep_all(), 3);
  size_t copies = 0;
  for (const Plan& plan : tiny.offload_plans()) {
    copies += plan.schedule.transfers.size();
    for (bool late : {false, true})
      expect_same(training_bits(tiny, plan, 3, {.guard = GuardMode::scribble, .late_copies = late}), expected,
                  label(GetParam(), plan, 2) + (late ? ", late" : ", early"));
  }
  EXPECT_GT(copies, 0u);
}

// Every op within its operands, every buffer within its life.
TEST_P(GuardedPlans, HoldTheNumbers) {
  const GuardMode guard = can_poison() ? GuardMode::poison : GuardMode::scribble;
  for (int micro_batches : {1, 2}) {
    const Tiny tiny({.preset = GetParam(), .micro_batches = micro_batches});
    for (const Plan& plan : tiny.plans())
      expect_same(training_bits(tiny, plan, 2, {.guard = guard}), training_bits(tiny, plan, 2),
                  label(GetParam(), plan, 2));
  }
}

/// What is written over indices would be read as places anywhere.
bool holds_indices(const Graph& graph, const Buffer& buffer) {
  return std::any_of(buffer.values.begin(), buffer.values.end(),
                     [&](ValueId id) { return graph.value(id).type.dtype == DType::i32; });
}

// The guard would notice: lives cut short by one step change the numbers.
TEST_P(Plans, ALifeCutShortShows) {
  const Tiny tiny({.preset = GetParam(), .optimizer = false});
  const Plan plan = tiny.keep_all();
  const Bits expected = gradient_bits(tiny, plan, {.guard = GuardMode::scribble});
  int cut = 0;
  for (size_t b = 0; b < plan.schedule.buffers.size(); ++b) {
    const Buffer& buffer = plan.schedule.buffers[b];
    const Step& last = plan.schedule.steps[static_cast<size_t>(buffer.last_step)];
    const bool read_last =
        std::find(last.inputs.begin(), last.inputs.end(), static_cast<int32_t>(b)) != last.inputs.end();
    const bool at_end = buffer.last_step + 1 == static_cast<int32_t>(plan.schedule.steps.size());
    if (buffer.persistent || buffer.values.empty() || !read_last || at_end) continue;
    if (buffer.first_step == buffer.last_step) continue;
    if (holds_indices(tiny.graph, buffer)) continue;
    Plan wrong = plan;
    --wrong.schedule.buffers[b].last_step;
    EXPECT_NE(gradient_bits(tiny, wrong, {.guard = GuardMode::scribble}), expected)
        << tiny.graph.value(buffer.values.back()).name;
    ++cut;
  }
  // A model of one layer has no life that ends before the last step.
  const std::string& family = tiny.model->family();
  EXPECT_EQ(cut > 0, family != "fvsbn" && family != "nade");
}

// And so does a copy that comes a step too late.
TEST_P(Plans, ACopyThatComesTooLateShows) {
  const Tiny tiny({.preset = GetParam(), .optimizer = false});
  const RuntimeOptions options{.guard = GuardMode::scribble, .late_copies = true};
  const std::vector<Plan> plans = tiny.offload_plans();
  const Plan& plan = plans[1];  // activations
  const Bits expected = gradient_bits(tiny, plan, options);
  int late = 0;
  for (size_t t = 0; t < plan.schedule.transfers.size() && late < 3; ++t) {
    const Transfer& transfer = plan.schedule.transfers[t];
    if (transfer.to_host ||
        holds_indices(tiny.graph, plan.schedule.buffers[static_cast<size_t>(transfer.buffer)]))
      continue;
    Plan wrong = plan;
    ++wrong.schedule.transfers[t].end;
    EXPECT_NE(gradient_bits(tiny, wrong, options), expected) << "transfer " << t;
    ++late;
  }
  // What fills the memory of one hidden layer is needed all at once.
  EXPECT_EQ(late > 0, tiny.model->pixels() == 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // shadows grow with what is touched
TEST_P(Plans, LeaveNothingToOtherMemory) {
  const Tiny tiny({.preset = GetParam(), .micro_batches = 2});
  const Plan plan = tiny.keep_all();
  TinyRun run(tiny, plan);
  Session session(run.runtime, {}, 0);
  const auto outside = [&] { return process_resident_bytes() - run.runtime.resident_bytes(); };
  const int64_t before = outside();
  for (int i = 0; i < 20; ++i) session.step(run.feed());
  EXPECT_LE(outside() - before, 2 * kMiB);
}
#endif

}  // namespace
}  // namespace tidemark
