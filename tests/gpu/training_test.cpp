// Whole training steps on the GPU: near the CPU's, the same under every plan, in the bytes that were planned.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "tests/executor_training/tiny.h"

namespace tidemark {
namespace {

PlanResult request(const Tiny& tiny, const std::string& strategy, int64_t budget,
                   OffloadKinds offload = {.activations = false, .states = false}) {
  PlanRequest r;
  r.strategy = strategy;
  r.budget_bytes = budget;
  r.device = plan_device("cuda", 1);
  r.offload = offload;
  r.host_link = {.bytes_per_second = 20e9, .overlaps = true};
  r.micro_batches = tiny.micro_batches;
  r.times = analytic_times(tiny.graph, cpu_speed(1));
  return make_plan(tiny.graph, r);
}

Plan plan_for_cuda(const Tiny& tiny, const std::string& strategy, int64_t budget) {
  return request(tiny, strategy, budget).plan.value();
}

std::vector<double> losses(const Tiny& tiny, const Plan& plan, int steps) {
  TinyRun run(tiny, plan);
  Session session(run.runtime, {.peak = 1e-2, .warmup_steps = 2}, 11);
  std::vector<double> all;
  for (int i = 0; i < steps; ++i) all.push_back(session.step(run.feed()).loss);
  return all;
}

class Families : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(OnTheGpu, Families,
                         ::testing::Values("llama", "transformer", "rnn", "lstm", "gru", "rwkv", "rwkv7",
                                           "mamba", "mamba2", "retnet", "lru", "s4", "s4d", "fvsbn", "made",
                                           "nade", "moonlight"),
                         [](const auto& family) { return std::string(family.param); });

// Long enough for the captured graphs to run: the first step of each range is launched kernel by kernel.
TEST_P(Families, LossesAreNearTheCpus) {
  for (DType dtype : {DType::f32, DType::bf16}) {
    const Tiny tiny({.preset = std::string(GetParam()) + "-tiny", .micro_batches = 2, .dtype = dtype});
    const std::vector<double> cpu = losses(tiny, tiny.keep_all(), 5);
    const std::vector<double> gpu = losses(tiny, plan_for_cuda(tiny, "keep-all", 0), 5);
    for (size_t i = 0; i < cpu.size(); ++i)
      EXPECT_NEAR(gpu[i], cpu[i], (dtype == DType::f32 ? 1e-4 : 2e-2) * cpu[i]) << "step " << i;
  }
}

/// Of the smallest plan of a strategy, and of one that offloads; three steps, for the optimizer's graph to
/// run, too.
void expect_same_bits(const Tiny& tiny, const std::string& strategy,
                      const std::vector<OffloadKinds>& offloads) {
  constexpr int kSteps = 3;
  const Plan keep_all = plan_for_cuda(tiny, "keep-all", 0);
  const Bits expected = training_bits(tiny, keep_all, kSteps);
  expect_same(training_bits(tiny, keep_all, kSteps), expected, "the same again");
  const int64_t least = request(tiny, strategy, 1).smallest_feasible_bytes;
  expect_same(training_bits(tiny, plan_for_cuda(tiny, strategy, least), kSteps), expected, strategy);
  for (const OffloadKinds& kinds : offloads) {
    const int64_t offloaded = request(tiny, "keep-all", 1, kinds).smallest_feasible_bytes;
    const Plan plan = request(tiny, "keep-all", offloaded, kinds).plan.value();
    expect_same(training_bits(tiny, plan, kSteps), expected, plan.strategy);
  }
}

TEST_P(Families, NoPlanChangesTheBits) {
  const Tiny tiny({.preset = std::string(GetParam()) + "-tiny", .micro_batches = 2});
  expect_same_bits(tiny, "chain-dp", {{true, false}, {false, true}});
}

TEST_P(Families, NoPlanChangesTheBitsOfBfloat16) {
  const Tiny tiny({.preset = std::string(GetParam()) + "-tiny", .micro_batches = 2, .dtype = DType::bf16});
  expect_same_bits(tiny, "local-search", {{true, true}});
}

TEST(OnTheGpu, TakesThePlannedBytes) {
  const Tiny tiny({});
  const Plan plan = plan_for_cuda(tiny, "keep-all", 0);
  TinyRun run(tiny, plan);
  Session session(run.runtime, {}, 0);
  for (int i = 0; i < 3; ++i) session.step(run.feed());
  EXPECT_EQ(run.runtime.resident_bytes(), plan.arena_bytes);
}

TEST(OnTheGpu, RefusesIdsOutsideTheVocabulary) {
  const Tiny tiny({});
  const Plan plan = plan_for_cuda(tiny, "keep-all", 0);
  TinyRun run(tiny, plan);
  run.fill(0, 0);
  run.runtime.data<int32_t>("input_ids")[0] = 1 << 30;
  EXPECT_THROW(run.runtime.run_micro_batch(), Error);
}

}  // namespace
}  // namespace tidemark
