// Random graphs of real ops on [8, 16] matrices, with every aliasing rule there is, and random orders of
// them with recomputation.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/op_def.h"

namespace tidemark::test {

class RandomGraph {
 public:
  explicit RandomGraph(unsigned seed) : random_(seed), graph_("random") {
    const TensorType matrix{DType::f32, {8, 16}};
    for (int i = 0; i < 3; ++i)
      values_.push_back(graph_.add_source("x" + std::to_string(i), matrix, Category::input));
    norm_ = graph_.add_source("norm", {DType::f32, {16}}, Category::parameter);
    square_ = graph_.add_source("square", {DType::f32, {16, 16}}, Category::parameter);
    for (int i = 0; i < 3; ++i)
      sums_.push_back(graph_.add_source("sum" + std::to_string(i), matrix, Category::gradient));
    for (size_t i = 0; i < 2; ++i)
      sums_[i] = graph_.add({"clear", "clear" + std::to_string(i), {sums_[i]}, {}, "", Phase::prepare});
    add_ops(4 + draw(20), Phase::forward);
    add_ops(4 + draw(20), Phase::backward);
    add_ops(1 + draw(4), Phase::optimizer);
    for (int i = 0; i < 3; ++i) graph_.mark_output(any(values_));
  }

  const Graph& graph() const { return graph_; }

  /// The graph's order with forward ops run again at random places, and optimizer ops run early.
  std::vector<OpId> order() {
    std::vector<OpId> order, forward;
    for (size_t i = 0; i < graph_.ops().size(); ++i) {
      const auto id = static_cast<OpId>(i);
      const Phase phase = graph_.op(id).phase;
      order.push_back(id);
      if (phase == Phase::forward) forward.push_back(id);
      while (!forward.empty() && phase <= Phase::backward && draw(2) == 0) order.push_back(any(forward));
      for (size_t s = order.size(); phase == Phase::optimizer && --s > 0 && may_swap(order[s - 1], id);)
        std::swap(order[s - 1], order[s]);
    }
    return order;
  }

 private:
  int draw(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  template <typename T>
  T any(const std::vector<T>& from) {
    return from[static_cast<size_t>(draw(static_cast<int>(from.size())))];
  }

  /// Whether `second` may run before `first`: it neither reads nor overwrites what `first` has to do with.
  bool may_swap(OpId first, OpId second) {
    const auto touches = [&](const std::vector<ValueId>& a, const std::vector<ValueId>& b) {
      return std::any_of(a.begin(), a.end(), [&](ValueId v) {
        return v != kNone && std::find(b.begin(), b.end(), v) != b.end();
      });
    };
    const Op &f = graph_.op(first), &s = graph_.op(second);
    return draw(8) != 0 && f.phase != Phase::prepare && !touches(f.outputs, s.inputs) &&
           !touches(f.inputs, s.inputs);
  }

  void add_ops(int count, Phase phase) {
    for (int i = 0; i < count; ++i) {
      const std::string name = "op" + std::to_string(graph_.ops().size());
      const int kind = phase == Phase::optimizer ? 4 : draw(phase == Phase::forward ? 4 : 5);
      Graph::NewOp op{"add", name, {any(values_), any(values_)}, {}, "", phase};
      if (kind == 1) op = {"swiglu", name, {any(values_), any(values_)}, {}, "", phase};
      if (kind == 2) op = {"rms_norm", name, {any(values_), norm_}, {{"epsilon", 1e-5}}, "", phase};
      if (kind == 3)
        op = {"linear", name, {any(values_), square_, kNone, draw(2) == 0 ? kNone : any(values_)},
              {},       "",   phase};
      if (kind == 4) {
        // Later reads of an accumulator mean its newest version only.
        ValueId& sum = sums_[static_cast<size_t>(draw(3))];
        sum = graph_.add({"accumulate", name, {sum, any(values_)}, {}, "", phase});
        continue;
      }
      values_.push_back(graph_.add(op));
    }
  }

  std::mt19937 random_;
  Graph graph_;
  std::vector<ValueId> values_, sums_;
  ValueId norm_ = kNone, square_ = kNone;
};

}  // namespace tidemark::test
