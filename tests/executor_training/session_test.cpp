#include "executor/training/session.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "tests/executor_training/tiny.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::HasSubstr;

TEST(LearningRate, WarmsUpThenFallsAlongACosine) {
  const LearningRate rate{.peak = 2, .warmup_steps = 4, .total_steps = 14, .final_fraction = 0.25};
  EXPECT_DOUBLE_EQ(rate.at(0), 0.5);
  EXPECT_DOUBLE_EQ(rate.at(3), 2);
  EXPECT_DOUBLE_EQ(rate.at(4), 2);
  EXPECT_DOUBLE_EQ(rate.at(9), 1.25);  // half-way between 2 and 0.5
  EXPECT_DOUBLE_EQ(rate.at(14), 0.5);
  EXPECT_DOUBLE_EQ(rate.at(1000), 0.5);
  const LearningRate constant{.peak = 2, .warmup_steps = 2};
  EXPECT_DOUBLE_EQ(constant.at(1), 2);
  EXPECT_DOUBLE_EQ(constant.at(1000), 2);
}

TEST(LearningRate, FallsWithTheInverseSquareRootAfterTheWarmUp) {
  const LearningRate rate{.decay = LearningRate::Decay::inverse_square_root, .peak = 3, .warmup_steps = 4};
  EXPECT_DOUBLE_EQ(rate.at(0), 0.75);
  EXPECT_DOUBLE_EQ(rate.at(3), 3);
  for (const int64_t step : {4, 15, 399})  // Vaswani et al., equation 3, in units of its peak
    EXPECT_DOUBLE_EQ(rate.at(step), 3 * std::pow(static_cast<double>(step + 1), -0.5) / std::pow(4, -0.5));
  EXPECT_DOUBLE_EQ(rate.at(15), 1.5);
}

TEST(Initialize, DrawsWhatTheModelAsksFor) {
  const Tiny tiny({.preset = "llama-tiny", .dtype = DType::bf16});
  const Plan plan = tiny.keep_all();
  TinyRun run(tiny, plan);
  for (const TensorSlot& slot : parameter_slots(run.runtime)) {
    const Initializer& init = tiny.graph.value(tiny.graph.require(slot.name)).init;
    const float* master = run.runtime.data<float>(slot.name + ".master");
    const int64_t n = slot.type.shape.elements();
    double mean = 0, square = 0, most = 0;
    for (int64_t i = 0; i < n; ++i) {
      EXPECT_EQ(static_cast<const uint16_t*>(slot.data)[i], bfloat16_from(master[i]));
      mean += double{master[i]} / static_cast<double>(n);
      square += double{master[i]} * double{master[i]} / static_cast<double>(n);
      most = std::max(most, std::abs(double{master[i]}));
    }
    const double spread = 5 * init.scale / std::sqrt(static_cast<double>(n));
    if (init.kind == Initializer::Kind::normal) {
      EXPECT_NEAR(mean, 0, spread) << slot.name;
      EXPECT_NEAR(std::sqrt(square), init.scale, spread) << slot.name;
    } else if (init.kind == Initializer::Kind::constant) {
      EXPECT_EQ(mean, init.scale) << slot.name;
    }
  }
  for (const TensorSlot& slot : optimizer_slots(run.runtime)) {
    if (slot.name.ends_with(".master")) continue;
    EXPECT_EQ(bits_of(slot.data, slot.type.bytes()),
              std::string(static_cast<size_t>(slot.type.bytes()), '\0'));
  }
}

TEST(Initialize, SeedsDifferAndPlansDoNotMatter) {
  const Tiny tiny({.preset = "lstm-tiny"});
  const auto drawn = [&](const Plan& plan, uint64_t seed) {
    Runtime runtime(tiny.graph, plan);
    initialize_parameters(runtime, seed);
    Bits bits;
    for (const TensorSlot& slot : parameter_slots(runtime))
      bits[slot.name] = bits_of(slot.data, slot.type.bytes());
    return bits;
  };
  const std::vector<Plan> plans = tiny.plans();
  expect_same(drawn(plans.front(), 3), drawn(plans.back(), 3), "another plan");
  EXPECT_NE(drawn(plans.front(), 3), drawn(plans.front(), 4));
}

// By as much as the config says, up or down, whatever the learning rate is, once for all micro-batches.
TEST(Session, MovesTheBiasOfExpertsTowardsEqualLoads) {
  const Tiny tiny(
      {.preset = "moonlight-tiny", .changes = R"({"bias_update_speed":0.25})", .micro_batches = 2});
  const Plan plan = tiny.keep_all();
  TinyRun run(tiny, plan);
  Session session(run.runtime, {.peak = 0}, 0);
  session.step(run.feed());
  const float* const bias = run.runtime.data<float>("model.layers.1.mlp.gate.e_score_correction_bias");
  const std::vector<float> moved(bias, bias + 8);
  EXPECT_THAT(moved, ::testing::Each(::testing::AnyOf(-0.25F, 0.F, 0.25F)));
  EXPECT_THAT(moved, ::testing::Contains(-0.25F));
  EXPECT_THAT(moved, ::testing::Contains(0.25F));
}

TEST(Session, LearnsARepeatedBatch) {
  for (const char* preset : {"llama-tiny", "rnn-tiny", "lstm-tiny", "gru-tiny"})
    for (DType dtype : {DType::f32, DType::bf16}) {
      const Tiny tiny({.preset = preset, .dtype = dtype});
      const Plan plan = tiny.keep_all();
      TinyRun run(tiny, plan);
      Session session(run.runtime, {.peak = 1e-2}, 0);
      const auto same = [&](Runtime&, int64_t, int) { run.fill(0, 0); };
      const double first = session.step(same).loss;
      EXPECT_NEAR(first, std::log(static_cast<double>(tiny.model->vocabulary())), 0.5) << preset;
      double last = first;
      for (int i = 0; i < 30; ++i) last = session.step(same).loss;
      EXPECT_LT(last, 0.8 * first) << preset << " " << name_of(dtype);
    }
}

TEST(Session, MicroBatchesAddUpToTheWholeBatch) {
  // Two micro-batches of the same tokens have the gradient of one.
  const Tiny one({}), two({.micro_batches = 2});
  const auto losses = [](const Tiny& tiny) {
    const Plan plan = tiny.keep_all();
    TinyRun run(tiny, plan);
    Session session(run.runtime, {.peak = 1e-2}, 0);
    std::vector<double> list;
    for (int64_t i = 0; i < 6; ++i)
      list.push_back(session.step([&](Runtime&, int64_t, int) { run.fill(0, 0); }).loss);
    return list;
  };
  const auto a = losses(one), b = losses(two);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-4 * a[i]);
}

TEST(Session, StopsAtALossThatIsNotFinite) {
  const Tiny tiny({});
  const Plan plan = tiny.keep_all();
  TinyRun run(tiny, plan);
  Session session(run.runtime, {}, 0);
  session.step(run.feed());
  run.runtime.data<float>("model.norm.weight")[0] = std::numeric_limits<float>::quiet_NaN();
  try {
    session.step(run.feed());
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("step 2: the loss is not finite"));
    EXPECT_EQ(e.code(), ExitCode::failure);
  }
  EXPECT_EQ(session.steps_done(), 1);
}

}  // namespace
}  // namespace tidemark
