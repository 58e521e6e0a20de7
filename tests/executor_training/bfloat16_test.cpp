// A model in bfloat16 is the model in float32 from the same weights, as far as its rounding goes.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/executor_training/tiny.h"

namespace tidemark {
namespace {

float widened(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float x = 0;
  std::memcpy(&x, &wide, sizeof x);
  return x;
}

std::vector<float> floats(const Runtime& runtime, ValueId id) {
  const Value& v = runtime.graph().value(id);
  std::vector<float> list(static_cast<size_t>(v.type.shape.elements()));
  if (v.type.dtype == DType::bf16) {
    const auto* data = static_cast<const uint16_t*>(runtime.data(id));
    std::transform(data, data + list.size(), list.begin(), widened);
  } else {
    std::memcpy(list.data(), runtime.data(id), list.size() * sizeof(float));
  }
  return list;
}

double norm(const std::vector<float>& x) {
  double sum = 0;
  for (float v : x) sum += double{v} * double{v};
  return std::sqrt(sum);
}

// Two to four times what was seen. Every layer's output is rounded by up to 1/256 of itself; in the
// Transformer a rounded sum can change whether a ReLU lets its gradient through, in Moonlight which experts a
// token chooses.
constexpr double kLoss = 5e-3;
double tolerance(const std::string& preset) {
  return preset == "transformer-tiny" || preset == "moonlight-tiny" ? 0.2 : 0.08;
}

class Bfloat16 : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Presets, Bfloat16, ::testing::ValuesIn(kTinyPresets), preset_test_name);

TEST_P(Bfloat16, GivesTheLossAndGradientsOfFloat32) {
  const Tiny narrow({.preset = GetParam(), .dtype = DType::bf16, .optimizer = false});
  const Tiny wide({.preset = GetParam(), .optimizer = false});
  const Plan narrow_plan = narrow.keep_all(), wide_plan = wide.keep_all();
  TinyRun rounded(narrow, narrow_plan), exact(wide, wide_plan);
  std::mt19937 engine(7);
  std::normal_distribution<float> noise(0, 0.05F);  // what starts as zeros would hide what is behind it
  for (const ValueId id : narrow.graph.sources(Category::parameter)) {
    const Value& parameter = narrow.graph.value(id);
    void* const data = rounded.runtime.data(id);
    std::vector<float> weights = floats(rounded.runtime, id);
    for (size_t i = 0; i < weights.size(); ++i) {
      weights[i] += noise(engine);
      if (parameter.type.dtype == DType::bf16) {
        auto& stored = static_cast<uint16_t*>(data)[i];
        stored = bfloat16_from(weights[i]);
        weights[i] = widened(stored);
      } else {
        static_cast<float*>(data)[i] = weights[i];
      }
    }
    std::memcpy(exact.runtime.data<float>(parameter.name), weights.data(), weights.size() * sizeof(float));
  }
  for (TinyRun* run : {&rounded, &exact}) {
    run->fill(0, 0);
    run->runtime.prepare();
    run->runtime.run_micro_batch();
  }
  for (ValueId id : wide.graph.outputs()) {
    const std::string& name = wide.graph.value(id).name;
    std::vector<float> is = floats(rounded.runtime, narrow.graph.require(name));
    const std::vector<float> should = floats(exact.runtime, id);
    for (size_t i = 0; i < is.size(); ++i) is[i] -= should[i];
    EXPECT_LE(norm(is), (name == "loss" ? kLoss : tolerance(GetParam())) * norm(should)) << name;
  }
}

}  // namespace
}  // namespace tidemark
