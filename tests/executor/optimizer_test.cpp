// AdamW and the norm of gradients against float64.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "base/error.h"
#include "tests/executor/op_case.h"
#include "tests/executor/philox.h"

namespace tidemark::test {
namespace {

struct Settings {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weight_decay = 0.1, clip_norm = 1, rate_scale = 1;

  Attributes attributes() const {
    return {{"beta1", beta1},         {"beta2", beta2},
            {"epsilon", epsilon},     {"weight_decay", weight_decay},
            {"clip_norm", clip_norm}, {"learning_rate_scale", rate_scale}};
  }
};

/// Step t of the update on inputs param, grad, m, v; the formula of docs/ops.md.
std::vector<Values> adamw(const Settings& s, const OpCase& op, double rate, int t, double norm, bool master) {
  Values p = op.inputs()[master ? 6 : 0], m = op.inputs()[2], v = op.inputs()[3];
  const double scale = std::min(1.0, s.clip_norm / (norm + 1e-6)), lr = rate * s.rate_scale;
  for (size_t i = 0; i < p.size(); ++i) {
    const double g = op.inputs()[1][i] * scale;
    m[i] = s.beta1 * m[i] + (1 - s.beta1) * g;
    v[i] = s.beta2 * v[i] + (1 - s.beta2) * g * g;
    p[i] -= lr * s.weight_decay * p[i];
    p[i] -=
        lr * (m[i] / (1 - std::pow(s.beta1, t))) / (std::sqrt(v[i] / (1 - std::pow(s.beta2, t))) + s.epsilon);
  }
  return {p, m, v, master ? p : Values{}};
}

Values positive(Values values) {
  for (double& x : values) x = std::abs(x);
  return values;
}

OpCase make_case(const Settings& s, DType dtype, Shape shape, double rate, int t, double norm, bool master) {
  OpCase noise("add");
  noise.random(shape).random(shape).random(shape);
  OpCase op("adamw", s.attributes(), dtype);
  op.random(shape).random(shape, 0.3).f32(shape, noise.inputs()[0]).f32(shape, positive(noise.inputs()[1]));
  op.f32({4}, {rate, 1 - std::pow(s.beta1, t), 1 - std::pow(s.beta2, t), 0});
  norm > 0 ? op.f32({1}, {norm}) : op.absent();
  if (master) op.f32(shape, noise.inputs()[2]);
  return op;
}

TEST(AdamWTest, MatchesTheFormula) {
  Settings scaled;
  scaled.rate_scale = 0.1;
  Settings no_decay;
  no_decay.weight_decay = 0;
  for (const Settings& s : {Settings{}, scaled, no_decay})
    for (const Shape& shape : {Shape{1}, Shape{37}, Shape{130, 257}})
      for (int t : {1, 20})
        for (double norm : {0.0, 0.5, 30.0}) {
          make_case(s, DType::f32, shape, 1e-2, t, norm, false)
              .check(adamw(s, make_case(s, DType::f32, shape, 1e-2, t, norm, false), 1e-2, t, norm, false));
          make_case(s, DType::bf16, shape, 1e-2, t, norm, true)
              .check(adamw(s, make_case(s, DType::bf16, shape, 1e-2, t, norm, true), 1e-2, t, norm, true));
        }
}

TEST(AdamWTest, TheMasterKeepsWhatTheParameterCannot) {
  Settings s;
  s.weight_decay = 0;
  OpCase op("adamw", s.attributes(), DType::bf16);
  op.floats({1}, {256}).floats({1}, {1}).f32({1}, {0}).f32({1}, {0});
  op.f32({4}, {1e-3, 0.1, 0.05, 0}).absent().f32({1}, {256});
  const std::vector<Values> out = op.run({});
  EXPECT_EQ(out[0][0], 256);
  EXPECT_NEAR(out[3][0], 256 - 1e-3, 1e-4);
  EXPECT_LT(out[3][0], 256);
}

/// A step without gradients: what is left of the parameters is exact in f32, (1 - 2^-10) of them.
OpCase decay_without_master(const Values& parameters, const std::vector<int32_t>& seed, int64_t site) {
  Settings s;
  s.weight_decay = 0x1p-4;
  Attributes attributes = s.attributes();
  attributes.set("site", site);
  const Values zeros(parameters.size());
  const Shape shape{static_cast<int64_t>(parameters.size())};
  OpCase op("adamw", attributes, DType::bf16);
  op.floats(shape, parameters).floats(shape, zeros).f32(shape, zeros).f32(shape, zeros);
  op.f32({4}, {0x1p-6, 0.1, 0.05, 0}).absent().absent().ints(seed);
  return op;
}

TEST(AdamWTest, WithoutAMasterRoundsAsItsCountersSay) {
  const std::vector<int32_t> seed = {1234567, -3};
  const int64_t site = (int64_t{1} << 40) + 5;
  for (const int64_t n : {1, 7, 300, 40000}) {
    OpCase random("add", {}, DType::bf16);
    Values parameters = random.random({n}).inputs()[0];
    if (n > 7) parameters[5] = HUGE_VAL;
    const OpCase op = decay_without_master(parameters, seed, site);
    Values rounded;
    for (size_t e = 0; e < parameters.size(); ++e) {
      const auto next = static_cast<float>(parameters[e] * (1 - 0x1p-10));
      const Block words = philox(
          {static_cast<uint32_t>(e / 8), 0, static_cast<uint32_t>(site), static_cast<uint32_t>(site >> 32)},
          {static_cast<uint32_t>(seed[0]), static_cast<uint32_t>(seed[1])});
      uint32_t bits = std::bit_cast<uint32_t>(next);
      if (std::isfinite(next)) bits += words[e / 2 % 4] >> (e % 2 * 16) & 0xffff;
      rounded.push_back(static_cast<double>(std::bit_cast<float>(bits & 0xffff0000)));
    }
    op.check({rounded, Values(parameters.size()), Values(parameters.size()), {}}, 1e-9);
  }
}

// To the nearest, 256 would stay what it is for ever.
TEST(AdamWTest, WithoutAMasterKeepsTheMean) {
  const OpCase op = decay_without_master(Values(1 << 14, 256), {1, 2}, 0);
  const Values rounded = op.run({})[0];
  double sum = 0;
  for (double p : rounded) {
    EXPECT_TRUE(p == 256 || p == 255) << p;
    sum += p;
  }
  EXPECT_NEAR(sum / (1 << 14), 256 - 0.25, 0.02);
}

TEST(AdamWTest, RoundsNothingThatHasAMaster) {
  OpCase op("adamw", Settings{}.attributes(), DType::bf16);
  op.random({3}).random({3}).f32({3}, {0, 0, 0}).f32({3}, {0, 0, 0}).f32({4}, {1e-3, 0.1, 0.05, 0});
  op.absent().f32({3}, {0, 0, 0}).ints({1, 2});
  EXPECT_THROW(op.run({}), Error);
}

TEST(AdamWTest, ANormThatIsNotANumberShows) {
  const Settings s;
  OpCase op = make_case(s, DType::f32, {3}, 1e-3, 1, 1, false);
  OpCase broken("adamw", s.attributes());
  broken.random({3}).random({3}).f32({3}, {0, 0, 0}).f32({3}, {0, 0, 0}).f32({4}, op.inputs()[4]);
  broken.f32({1}, {std::nan("")});
  const Values updated = broken.run({})[0];
  for (double p : updated) EXPECT_TRUE(std::isnan(p));
}

TEST(GradNormTest, IsThatOfAllTensorsTogether) {
  for (DType dtype : {DType::f32, DType::bf16}) {
    OpCase op("grad_norm", {}, dtype);
    op.random({1}).random({5, 7}).random({300, 257}, 1e-3).random({16384}).random({16385}, 10);
    double squares = 0;
    for (const Values& g : op.inputs())
      for (double x : g) squares += x * x;
    op.check({{std::sqrt(squares)}}, 1e-6);
  }
}

TEST(GradNormTest, NotANumberShows) {
  OpCase op("grad_norm");
  op.random({3}).floats({2}, {1, std::nan("")}).check({{std::nan("")}});
}

}  // namespace
}  // namespace tidemark::test
