#include "graph/autodiff.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/op_def.h"
#include "graph/serialize.h"
#include "tests/graph/small_graphs.h"

namespace tidemark {
namespace {

int count(const Graph& g, std::string_view kind) {
  int n = 0;
  for (const Op& op : g.ops()) n += op.def->name == kind;
  return n;
}

TEST(TrainingGraph, HasTheFusedLossAndOneUpdatePerParameter) {
  const Graph forward = test::residual_model();
  const Graph g = make_training_graph(forward, {});
  validate(g);
  EXPECT_EQ(count(g, "linear_cross_entropy"), 0);
  EXPECT_EQ(count(g, "linear_cross_entropy_grad"), 1);
  EXPECT_EQ(count(g, "adamw"), static_cast<int>(forward.sources(Category::parameter).size()));
  EXPECT_EQ(g.value(loss_of(g)).name, "loss");
}

TEST(TrainingGraph, TheTiedWeightAccumulatesInPlaceAcrossItsUses) {
  const Graph g = make_training_graph(test::residual_model(), {.optimizer = std::nullopt});
  const OpId head = g.value(g.outputs()[1]).producer;  // embedding.weight is the first parameter
  EXPECT_EQ(g.op(head).def->name, "embedding_grad");
  EXPECT_NE(g.op(head).inputs[2], kNone) << "adds to the head's gradient";
}

TEST(TrainingGraph, BackwardOpsNameTheForwardOpTheyDifferentiate) {
  const Graph g = make_training_graph(test::residual_model(), {});
  for (const Op& op : g.ops()) {
    if (op.phase != Phase::backward) continue;
    ASSERT_NE(op.source, kNone) << op.name;
    EXPECT_EQ(g.op(op.source).phase, Phase::forward) << op.name;
  }
}

TEST(TrainingGraph, ParameterGradientsAreGradientsAndOthersActivations) {
  const Graph g = make_training_graph(test::residual_model(), {.optimizer = std::nullopt});
  int64_t gradient_bytes = 0, parameter_bytes = 0;
  for (size_t i = 1; i < g.outputs().size(); ++i) {
    EXPECT_EQ(g.value(g.outputs()[i]).category, Category::gradient);
    gradient_bytes += g.value(g.outputs()[i]).bytes();
  }
  for (ValueId id : g.sources(Category::parameter)) parameter_bytes += g.value(id).bytes();
  EXPECT_EQ(gradient_bytes, parameter_bytes);
}

TEST(TrainingGraph, AccumulationAddsToOneClearedSumPerParameter) {
  const Graph g = make_training_graph(test::residual_model(), {.optimizer = AdamW{}, .micro_batches = 4});
  validate(g);
  EXPECT_EQ(count(g, "clear"), static_cast<int>(g.sources(Category::parameter).size()));
  EXPECT_EQ(g.sources(Category::gradient).size(), g.sources(Category::parameter).size());
}

TEST(TrainingGraph, Bf16ParametersHaveSixteenBytesOfStatesEach) {
  const Graph g = make_training_graph(test::residual_model(DType::bf16), {});
  int64_t bytes = 0;
  for (const Value& v : g.values())
    if (v.producer == kNone && (v.category == Category::parameter || v.category == Category::optimizer_state))
      bytes += v.bytes();
  EXPECT_EQ(bytes, g.parameter_count() * 14);  // 2 + 4 + 4 + 4; the gradient's 2 are made in the step
}

TEST(TrainingGraph, RefusesAGraphWithoutLossAndAnUnusedParameter) {
  Graph no_loss("none");
  EXPECT_THROW(make_training_graph(no_loss, {}), Error);
  Graph unused = test::residual_model();
  unused.add_source("idle.weight", {DType::f32, {3}}, Category::parameter);
  EXPECT_THROW(make_training_graph(unused, {}), Error);
}

TEST(Differentiate, ReturnsNothingWhereNothingDepends) {
  Graph g("two");
  const ValueId a = g.add_source("a", {DType::f32, {2, 3}}, Category::parameter);
  const ValueId b = g.add_source("b", {DType::f32, {2, 3}}, Category::parameter);
  const ValueId dy = g.add_source("dy", {DType::f32, {2, 3}}, Category::input);
  const ValueId y = g.add({"add", "y", {a, a}});
  const auto grads = differentiate(g, {{y, dy}}, {a, b});
  EXPECT_NE(grads[0], kNone);
  EXPECT_EQ(grads[1], kNone);
}

}  // namespace
}  // namespace tidemark
