#include "planner/remat/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/planner/graphs.h"
#include "tests/planner/small_graph.h"

namespace tidemark {
namespace {

using testing::Contains;

std::string output_name(const Graph& graph, const Block& block) {
  return graph.value(block.output).name;
}

TEST(Chain, CutsLlamaAtEveryResidual) {
  const Graph graph = test::llama({.layers = 2});
  const Chain chain = find_chain(graph);
  ASSERT_EQ(chain.blocks.size(), 6u);  // embedding, 2 x (attention, mlp), norm and loss
  EXPECT_EQ(output_name(graph, chain.blocks[0]), "embed_tokens");
  EXPECT_EQ(output_name(graph, chain.blocks[1]), "layers.0.o_proj");
  EXPECT_EQ(output_name(graph, chain.blocks[2]), "layers.0.down_proj");
  EXPECT_EQ(output_name(graph, chain.blocks[4]), "layers.1.down_proj");
  EXPECT_EQ(chain.blocks[5].output, kNone);
  EXPECT_EQ(chain.blocks[0].input, kNone);
  for (size_t k = 1; k < 6; ++k) EXPECT_EQ(chain.blocks[k].input, chain.blocks[k - 1].output);
  EXPECT_EQ(chain.blocks[1].forward.size(), 8u);
  EXPECT_EQ(chain.blocks[2].forward.size(), 5u);
}

/// A chain of forward ops; the backward of each reads its input and, of every other, its output.
Graph foreign_chain(int ops) {
  test::SmallGraph g;
  std::vector<ValueId> made = {g.graph.add_source("x", {DType::u8, {64}}, Category::input)};
  for (int i = 0; i < ops; ++i)
    made.push_back(g.value(g.add("f" + std::to_string(i), {made.back()}, {1}, Phase::forward, 1)));
  ValueId gradient = made.back();
  for (size_t i = made.size() - 1; i-- > 0;) {
    std::vector<ValueId> reads = {gradient, made[i]};
    if (i % 2 == 0) reads.push_back(made[i + 1]);
    gradient = g.value(g.add("b" + std::to_string(i), reads, {1}, Phase::backward, 2));
  }
  g.graph.mark_output(gradient);
  return g.graph;
}

TEST(Chain, FindsTheBlocksOfBackwardOpsThatDoNotSayTheirSource) {
  const Chain chain = find_chain(foreign_chain(20));
  ASSERT_GE(chain.blocks.size(), 18u);
  for (const Block& b : chain.blocks) EXPECT_LE(b.backward.size(), 3u);
}

TEST(Chain, HasNoMoreBlocksThanItsProgramsCanTake) {
  const Graph graph = foreign_chain(3000);
  const Chain chain = find_chain(graph);
  EXPECT_LE(chain.blocks.size(), 256u);
  EXPECT_GT(chain.blocks.size(), 200u);
  for (const Block& b : chain.blocks) EXPECT_LE(b.forward.size(), 24u);
}

TEST(Chain, HoldsEveryOpOnce) {
  const Graph graph = test::llama({.layers = 3, .micro_batches = 4});
  std::vector<OpId> order = chain_order(find_chain(graph));
  std::sort(order.begin(), order.end());
  ASSERT_EQ(order.size(), graph.ops().size());
  for (size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], static_cast<OpId>(i));
}

TEST(Chain, KeepsTablesThatEveryBlockReadsOutOfIt) {
  const Graph graph = test::llama();
  const Chain chain = find_chain(graph);
  EXPECT_THAT(chain.before, Contains(graph.value(graph.require("rope_table")).producer));
}

/// Layers of which each reads what is made of `weights` sources alone: one for all layers, or one each.
test::SmallGraph layers_on_parameters(int layers, int weights) {
  test::SmallGraph g;
  std::vector<ValueId> of_weights;
  for (int i = 0; i < weights; ++i) {
    const ValueId w = g.graph.add_source("w" + std::to_string(i), {DType::u8, {64}}, Category::parameter);
    of_weights.push_back(g.value(g.add("kernel" + std::to_string(i), {w}, {1}, Phase::forward, 1)));
  }
  std::vector<ValueId> made = {g.graph.add_source("x", {DType::u8, {64}}, Category::input)};
  for (int i = 0; i < layers; ++i)
    made.push_back(
        g.value(g.add("f" + std::to_string(i), {made.back(), of_weights[static_cast<size_t>(i % weights)]},
                      {1}, Phase::forward, 1)));
  ValueId gradient = made.back();
  for (size_t i = made.size() - 1; i-- > 0;)
    gradient = g.value(g.add("b" + std::to_string(i), {gradient, made[i]}, {1}, Phase::backward, 2));
  g.graph.mark_output(gradient);
  return g;
}

TEST(Chain, CutsPastWhatIsMadeOfParameters) {
  const test::SmallGraph g = layers_on_parameters(5, 5);
  const Chain chain = find_chain(g.graph);
  ASSERT_GE(chain.blocks.size(), 5u);
  for (size_t k = 0; k < 5; ++k) {
    EXPECT_EQ(chain.blocks[k].forward.size(), 2u);  // a layer and its kernel
    EXPECT_EQ(g.graph.op(chain.blocks[k].forward.front()).name, "kernel" + std::to_string(k));
  }
}

TEST(Chain, MakesBeforeItWhatSeveralBlocksReadOfParameters) {
  const test::SmallGraph g = layers_on_parameters(5, 1);
  const Chain chain = find_chain(g.graph);
  EXPECT_GE(chain.blocks.size(), 5u);
  EXPECT_THAT(chain.before, Contains(OpId{0}));
}

TEST(Chain, CutsPastWhatIsMadeOfLabels) {
  // As of PyTorch's joint graphs: the first backward op reads but labels, which the loss reads too.
  test::SmallGraph g;
  const ValueId labels = g.graph.add_source("labels", {DType::u8, {64}}, Category::input);
  const ValueId mask = g.value(g.add("mask", {labels}, {1}, Phase::forward, 1));
  std::vector<ValueId> made = {g.graph.add_source("x", {DType::u8, {64}}, Category::input)};
  for (int i = 0; i < 6; ++i)
    made.push_back(g.value(g.add("f" + std::to_string(i), {made.back()}, {1}, Phase::forward, 1)));
  g.graph.mark_output(g.value(g.add("loss", {made.back(), mask}, {1}, Phase::forward, 1)));
  ValueId gradient = g.value(g.add("of mask", {mask}, {1}, Phase::backward, 1));
  for (size_t i = made.size() - 1; i-- > 0;)
    gradient = g.value(g.add("b" + std::to_string(i), {gradient, made[i]}, {1}, Phase::backward, 2));
  g.graph.mark_output(gradient);
  const Chain chain = find_chain(g.graph);
  EXPECT_GE(chain.blocks.size(), 6u);
  for (const Block& b : chain.blocks) EXPECT_LE(b.forward.size(), 2u);
}

TEST(Chain, JoinsBlocksThatMoreThanOneValueCrosses) {
  // Both outputs of `split` are read past it, so it is no cut although all paths lead through it.
  Graph g("two outputs");
  const auto weight = [&](const std::string& name, int64_t n) {
    return g.add_source(name, {DType::f32, {n, n}}, Category::parameter);
  };
  const ValueId x = g.add_source("x", {DType::f32, {4, 8}}, Category::input);
  const ValueId labels = g.add_source("labels", {DType::i32, {4}}, Category::input);
  const ValueId a = g.add({"linear", "first", {x, weight("w0", 8), kNone, kNone}});
  const OpId split = g.add_op({"split_columns", "split", {a}, {{"columns", int64_t{4}}}});
  const ValueId sum = g.add({"add", "sum", {g.op(split).outputs[0], g.op(split).outputs[1]}});
  const ValueId last = g.add({"linear", "last", {sum, weight("w1", 4), kNone, kNone}});
  g.mark_output(
      g.add({"linear_cross_entropy", "loss", {last, weight("w2", 4), labels}, {{"chunk_rows", int64_t{4}}}}));
  const Graph graph = make_training_graph(g, {});
  std::vector<std::string> outputs;
  for (const Block& block : find_chain(graph).blocks)
    if (block.output != kNone) outputs.push_back(output_name(graph, block));
  EXPECT_EQ(outputs, (std::vector<std::string>{"first", "sum"}));
}

}  // namespace
}  // namespace tidemark
