// Graphs that several tests use.
#pragma once

#include "graph/autodiff.h"
#include "graph/graph.h"

namespace tidemark::test {

/// Two residual blocks with tied embedding and head over 6 tokens: every structure autodiff must handle
/// (a value read twice, a shared parameter, a gradient that passes through unchanged).
inline Graph residual_model(DType dtype = DType::f32) {
  Graph g("residual");
  const int64_t tokens = 6, width = 8, vocabulary = 11;
  const Initializer normal{Initializer::Kind::normal, 0.3};
  const ValueId ids = g.add_source("input_ids", {DType::i32, {tokens}}, Category::input);
  const ValueId labels = g.add_source("labels", {DType::i32, {tokens}}, Category::input);
  const ValueId embedding =
      g.add_source("embedding.weight", {dtype, {vocabulary, width}}, Category::parameter, normal);
  ValueId x = g.add({"embedding", "embedding", {ids, embedding}, {}, "embedding"});
  for (int i = 0; i < 2; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    const auto parameter = [&](const std::string& name, Shape shape, Initializer init) {
      return g.add_source(block + "." + name, {dtype, shape}, Category::parameter, init);
    };
    const ValueId norm = parameter("norm.weight", {width}, {Initializer::Kind::constant, 1});
    const ValueId gate = parameter("gate.weight", {12, width}, normal);
    const ValueId up = parameter("up.weight", {12, width}, normal);
    const ValueId down = parameter("down.weight", {width, 12}, normal);
    const ValueId n = g.add({"rms_norm", block + ".norm", {x, norm}, {{"epsilon", 1e-5}}, block});
    const ValueId a = g.add({"linear", block + ".gate", {n, gate}, {}, block});
    const ValueId b = g.add({"linear", block + ".up", {n, up}, {}, block});
    const ValueId s = g.add({"swiglu", block + ".swiglu", {a, b}, {}, block});
    x = g.add({"linear", block + ".down", {s, down, kNone, x}, {}, block});
  }
  g.mark_output(
      g.add({"linear_cross_entropy", "loss", {x, embedding, labels}, {{"chunk_rows", int64_t{4}}}, "head"}));
  return g;
}

}  // namespace tidemark::test
