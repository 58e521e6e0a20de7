// Training graphs that the planner's tests share.
#pragma once

#include <string>

#include "graph/autodiff.h"
#include "graph/graph.h"

namespace tidemark::test {

struct LlamaShape {
  int64_t layers = 2, width = 64, heads = 4, inner = 176, vocabulary = 256, tokens = 64;
  DType dtype = DType::f32;
  int micro_batches = 1;
};

/// The Llama architecture without a config file, loss included.
inline Graph llama_forward(const LlamaShape& s) {
  Graph g("llama");
  const ValueId ids = g.add_source("input_ids", {DType::i32, {s.tokens}}, Category::input);
  const ValueId labels = g.add_source("labels", {DType::i32, {s.tokens}}, Category::input);
  const ValueId positions = g.add_source("positions", {DType::i32, {s.tokens}}, Category::input);
  const ValueId ends = g.add_source("cu_seqlens", {DType::i32, {2}}, Category::input);
  const auto parameter = [&](const std::string& name, Shape shape) {
    return g.add_source(name, {s.dtype, shape}, Category::parameter, {Initializer::Kind::normal, 0.02});
  };
  const int64_t head_dim = s.width / s.heads;
  const std::vector<double> frequencies(static_cast<size_t>(head_dim / 2), 0.5);
  const ValueId table =
      g.add({"rope_table", "rope_table", {positions}, {{"frequencies", frequencies}, {"scale", 1.0}}});
  ValueId x =
      g.add({"embedding", "embed_tokens", {ids, parameter("embed_tokens.weight", {s.vocabulary, s.width})}});
  for (int64_t i = 0; i < s.layers; ++i) {
    const std::string p = "layers." + std::to_string(i) + ".";
    const auto linear = [&](const std::string& name, ValueId in, int64_t outputs, int64_t inputs,
                            ValueId residual = kNone) {
      return g.add(
          {"linear", p + name, {in, parameter(p + name + ".weight", {outputs, inputs}), kNone, residual}});
    };
    const auto norm = [&](const std::string& name, ValueId in) {
      return g.add(
          {"rms_norm", p + name, {in, parameter(p + name + ".weight", {s.width})}, {{"epsilon", 1e-5}}});
    };
    const auto turn = [&](const std::string& name, ValueId in) {
      return g.add({"rope", p + name, {in, table}, {{"heads", s.heads}, {"inverse", false}}});
    };
    const ValueId n = norm("input_layernorm", x);
    const ValueId q = turn("q_rope", linear("q_proj", n, s.width, s.width));
    const ValueId k = turn("k_rope", linear("k_proj", n, s.width, s.width));
    const ValueId v = linear("v_proj", n, s.width, s.width);
    const ValueId o =
        g.add({"attention",
               p + "attention",
               {q, k, v, ends},
               {{"heads", s.heads}, {"kv_heads", s.heads}, {"causal", true}, {"scale", 0.125}}});
    x = linear("o_proj", o, s.width, s.width, x);
    const ValueId m = norm("post_attention_layernorm", x);
    const ValueId gate = linear("gate_proj", m, s.inner, s.width);
    const ValueId up = linear("up_proj", m, s.inner, s.width);
    x = linear("down_proj", g.add({"swiglu", p + "swiglu", {gate, up}}), s.width, s.inner, x);
  }
  const ValueId h =
      g.add({"rms_norm", "norm", {x, parameter("norm.weight", {s.width})}, {{"epsilon", 1e-5}}});
  const ValueId head = parameter("lm_head.weight", {s.vocabulary, s.width});
  g.mark_output(g.add({"linear_cross_entropy", "loss", {h, head, labels}, {{"chunk_rows", int64_t{32}}}}));
  return g;
}

inline Graph llama(const LlamaShape& s = {}) {
  return make_training_graph(llama_forward(s), {.optimizer = AdamW{}, .micro_batches = s.micro_batches});
}

}  // namespace tidemark::test
