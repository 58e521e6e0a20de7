#include "planner/sharding/states.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tidemark {
namespace {

constexpr int64_t kLlama7b = 6'738'415'616;
constexpr ModelStates kMixed = {2 * kLlama7b, 2 * kLlama7b, 12 * kLlama7b};

int64_t each(ZeroStage stage, int64_t devices) {
  return sharded_states(kMixed, stage, devices).total();
}

// The paper's formulas (section 3): 16 P, 4 P + 12 P / N, 2 P + 14 P / N, 16 P / N.
TEST(States, FollowThePaperOfZero) {
  EXPECT_EQ(each(ZeroStage::none, 64), 16 * kLlama7b);
  EXPECT_EQ(each(ZeroStage::optimizer, 64), 4 * kLlama7b + 12 * kLlama7b / 64);
  EXPECT_EQ(each(ZeroStage::gradients, 64), 2 * kLlama7b + 14 * kLlama7b / 64);
  EXPECT_EQ(each(ZeroStage::parameters, 64), 16 * kLlama7b / 64);
}

TEST(States, AreTheLargestShare) {
  for (int64_t devices : {1, 2, 3, 7, 1000})
    for (const ModelStates whole : {ModelStates{10, 10, 60}, ModelStates{7, 7, 28}}) {
      const ModelStates s = sharded_states(whole, ZeroStage::parameters, devices);
      EXPECT_GE(s.parameters * devices, whole.parameters);
      EXPECT_LT((s.optimizer - 1) * devices, whole.optimizer);
      EXPECT_EQ(sharded_states(whole, ZeroStage::gradients, devices).parameters, whole.parameters);
    }
  EXPECT_THROW(sharded_states(kMixed, ZeroStage::optimizer, 0), Error);
}

}  // namespace
}  // namespace tidemark
