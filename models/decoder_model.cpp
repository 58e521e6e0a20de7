#include "models/decoder_model.h"

#include "models/rope_scaling.h"

namespace tidemark {

DecoderModel::DecoderModel(const Config& config)
    : Model(config.text("model_type"), config.value()),
      hidden_(config.positive("hidden_size")),
      layers_(config.positive("num_hidden_layers", {}, 1 << 12)),
      epsilon_(config.number("rms_norm_eps", 1e-6, 0, 1)),
      initializer_range_(config.number("initializer_range", 0.02, 0, 1e3)),
      tied_(config.flag("tie_word_embeddings", false)) {
  vocabulary_ = config.positive("vocab_size", {}, 1 << 24);
  config.choice("hidden_act", {"silu", "swish"}, "silu");
  if (config.number("attention_dropout", 0, 0, 1) != 0)
    throw config.error("attention_dropout", "dropout of attention weights is not supported", "set it to 0");
}

void DecoderModel::check_positions(const Config& config) const {
  rope_frequencies(config, turned_columns_, 1);
}

ValueId DecoderModel::parameter(const Block& block, const std::string& name, Shape shape) const {
  return block.graph.add_source(name, {block.dtype, shape}, Category::parameter,
                                {Initializer::Kind::normal, initializer_range_});
}

ValueId DecoderModel::project(const Block& block, const std::string& module, const std::string& name,
                              ValueId x, int64_t out, ValueId residual, bool bias) const {
  const std::string path = module + "." + name;
  const ValueId weight = parameter(block, path + ".weight", {out, block.graph.value(x).type.shape[1]});
  const ValueId b = bias ? block.graph.add_source(path + ".bias", {block.dtype, {out}}, Category::parameter,
                                                  {Initializer::Kind::constant, 0})
                         : kNone;
  return block.graph.add(
      {.kind = "linear", .name = path, .inputs = {x, weight, b, residual}, .module = path});
}

ValueId DecoderModel::norm(const Block& block, const std::string& path, ValueId x, double epsilon) const {
  const ValueId weight =
      block.graph.add_source(path + ".weight", {block.dtype, {block.graph.value(x).type.shape[1]}},
                             Category::parameter, {Initializer::Kind::constant, 1});
  return block.graph.add({.kind = "rms_norm",
                          .name = path,
                          .inputs = {x, weight},
                          .attributes = {{"epsilon", epsilon}},
                          .module = path});
}

ValueId DecoderModel::mlp(const Block& block, const std::string& module, ValueId x, int64_t columns,
                          ValueId residual, bool bias) const {
  const ValueId gate = project(block, module, "gate_proj", x, columns, kNone, bias);
  const ValueId up = project(block, module, "up_proj", x, columns, kNone, bias);
  const ValueId product =
      block.graph.add({.kind = "swiglu", .name = module + ".swiglu", .inputs = {gate, up}, .module = module});
  return project(block, module, "down_proj", product, hidden_, residual, bias);
}

void DecoderModel::add_ops(Graph& graph, const BatchSpec& batch) const {
  const ValueId ids = add_integers(graph, "input_ids", batch.tokens);
  const ValueId positions = add_integers(graph, "position_ids", batch.tokens);
  const ValueId labels = add_integers(graph, "labels", batch.tokens);
  const ValueId cu_seqlens = add_integers(graph, "cu_seqlens", batch.sequences + 1);

  RopeFrequencies rope = rope_frequencies(Config(config(), "config"), turned_columns_, batch.max_length);
  const ValueId table =
      graph.add({.kind = "rope_table",
                 .name = "model.rotary_emb",
                 .inputs = {positions},
                 .attributes = {{"frequencies", std::move(rope.frequencies)}, {"scale", rope.scale}},
                 .module = "model.rotary_emb"});
  const Block block{
      graph,      batch.dtype,      table,
      cu_seqlens, batch.max_length, static_cast<double>(batch.tokens) / static_cast<double>(batch.sequences)};
  const ValueId embedding = parameter(block, "model.embed_tokens.weight", {vocabulary_, hidden_});
  ValueId x = graph.add({.kind = "embedding",
                         .name = "model.embed_tokens",
                         .inputs = {ids, embedding},
                         .module = "model.embed_tokens"});
  for (int64_t i = 0; i < layers_; ++i) {
    const std::string layer = "model.layers." + std::to_string(i);
    x = attention(block, layer + ".self_attn", norm(block, layer + ".input_layernorm", x, epsilon_), x);
    x = feed_forward(block, i, layer + ".mlp", norm(block, layer + ".post_attention_layernorm", x, epsilon_),
                     x);
  }
  x = norm(block, "model.norm", x, epsilon_);
  const ValueId head = tied_ ? embedding : parameter(block, "lm_head.weight", {vocabulary_, hidden_});
  add_language_model_loss(graph, batch, x, head, labels, "lm_head");
}

}  // namespace tidemark
