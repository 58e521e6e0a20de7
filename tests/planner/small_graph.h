// Random graphs that are small enough to try out every order of their ops.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "planner/remat/strategy.h"

namespace tidemark::test {

/// Not in a build without CBC.
inline bool has_integer_program() {
  const auto& all = strategies();
  return std::any_of(all.begin(), all.end(),
                     [](const Strategy* s) { return s->name() == "integer-program"; });
}

struct SmallGraph {
  Graph graph{"small"};
  std::vector<double> seconds;  ///< of each op

  OpId add(const std::string& name, const std::vector<ValueId>& inputs, const std::vector<int>& bytes,
           Phase phase, double time, int64_t workspace = 0, bool recompute = true) {
    Attributes attributes{{"workspace_bytes", workspace * 64}, {"recompute", recompute}, {"seconds", time}};
    std::vector<double> sizes;
    for (int b : bytes) sizes.push_back(64.0 * b);
    attributes.set("bytes", sizes);
    Graph::NewOp op{"opaque", name, inputs, attributes, "", phase};
    for (size_t i = 0; i < bytes.size(); ++i) op.outputs.push_back(name + "." + std::to_string(i));
    seconds.push_back(time);
    return graph.add_op(op);
  }
  ValueId value(OpId op, size_t i = 0) const { return graph.op(op).outputs[i]; }
};

/// `forward` recomputable ops, each with one to three earlier values as inputs, then for each of them, last
/// to first, a backward op that reads some of its operands and the gradients of its readers. Sizes are
/// multiples of 64 bytes, times are whole.
inline SmallGraph random_training_graph(unsigned seed, int forward) {
  std::mt19937 random(seed);
  const auto draw = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  SmallGraph g;
  const ValueId x = g.graph.add_source("x", {DType::u8, {64}}, Category::input);
  std::vector<ValueId> values = {x};
  std::vector<OpId> ops;
  for (int i = 0; i < forward; ++i) {
    std::vector<ValueId> inputs = {values.back()};
    while (draw(3) == 0) inputs.push_back(values[static_cast<size_t>(draw(static_cast<int>(values.size())))]);
    std::vector<int> bytes = {1 + draw(6)};
    if (draw(5) == 0) bytes.push_back(1 + draw(3));
    ops.push_back(g.add("f" + std::to_string(i), inputs, bytes, Phase::forward, 1 + draw(9),
                        draw(4) == 0 ? draw(5) : 0));
    for (size_t k = 0; k < bytes.size(); ++k) values.push_back(g.value(ops.back(), k));
    if (draw(4) == 0 && values.size() > 2) std::swap(values[values.size() - 1], values[values.size() - 2]);
  }
  std::vector<std::vector<ValueId>> gradients(g.graph.values().size());
  for (int i = forward; i-- > 0;) {
    const Op op = g.graph.op(ops[static_cast<size_t>(i)]);
    std::vector<ValueId> inputs;
    for (ValueId v : op.outputs) {
      const auto& of = gradients[static_cast<size_t>(v)];
      inputs.insert(inputs.end(), of.begin(), of.end());
      if (draw(2) == 0) inputs.push_back(v);
    }
    for (ValueId v : op.inputs)
      if (draw(3) != 0) inputs.push_back(v);
    if (i == forward - 1) inputs.push_back(op.outputs[0]);
    const OpId back = g.add("b" + std::to_string(i), inputs, {1 + draw(4)}, Phase::backward, 1 + draw(9));
    for (ValueId v : op.inputs) gradients[static_cast<size_t>(v)].push_back(g.value(back));
    if (draw(3) == 0) g.graph.mark_output(g.value(back));
  }
  return g;
}

}  // namespace tidemark::test
