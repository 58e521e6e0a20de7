#include "models/sequence_model.h"

namespace tidemark {

SequenceModel::SequenceModel(const std::string& family, const Config& config, bool prenorm)
    : Model(family, config.value()),
      d_model_(config.positive("d_model")),
      layers_(config.positive("n_layers", {}, 1 << 12)),
      d_input_(config.positive("d_input")),
      dropout_(config.number("dropout", 0, 0, 0.999)),
      prenorm_(config.flag("prenorm", prenorm)),
      pooling_(config.choice("pooling", {"mean", "last", "none"}, "mean")) {
  vocabulary_ = config.positive("d_output");
}

ValueId SequenceModel::parameter(const Block& block, const std::string& name, Shape shape,
                                 Initializer init) const {
  return block.graph.add_source(name, {block.dtype, shape}, Category::parameter, init);
}

ValueId SequenceModel::recurrence_parameter(const Block& block, const std::string& name, Shape shape,
                                            Initializer init) const {
  return block.graph.add_source(name, {DType::f32, shape}, Category::parameter, init, {.decays = false});
}

ValueId SequenceModel::project(const Block& block, const std::string& path, ValueId x, int64_t out,
                               Initializer weight, Initializer bias) const {
  const int64_t in = block.graph.value(x).type.shape[1];
  const ValueId w = parameter(block, path + ".weight", {out, in}, weight);
  const ValueId b = parameter(block, path + ".bias", {out}, bias);
  return block.graph.add({.kind = "linear", .name = path, .inputs = {x, w, b}, .module = path});
}

ValueId SequenceModel::drop(const Block& block, const std::string& name, ValueId x, int64_t site) const {
  if (block.seed == kNone) return x;
  return block.graph.add({.kind = "dropout",
                          .name = name,
                          .inputs = {x, block.seed},
                          .attributes = {{"probability", dropout_}, {"site", site}},
                          .module = name});
}

ValueId SequenceModel::gate(const Block& block, const std::string& name, ValueId x, ValueId gate) const {
  return block.graph.add({.kind = "glu", .name = name, .inputs = {x, gate}, .module = name});
}

void SequenceModel::add_ops(Graph& graph, const BatchSpec& batch) const {
  const bool pooled = labels_sequences();
  const auto ints = [&](const std::string& name, int64_t n) {
    return graph.add_source(name, {DType::i32, {n}}, Category::input);
  };
  ValueId x = graph.add_source("x", {batch.dtype, {batch.tokens, d_input_}}, Category::input);
  const ValueId labels = ints("labels", pooled ? batch.sequences : batch.tokens);
  const Block block{graph, batch.dtype, ints("cu_seqlens", batch.sequences + 1),
                    dropout_ > 0 && !batch.inference ? ints("seed", 3) : kNone, batch.max_length};
  x = project(block, "encoder", x, d_model_, weight_init(d_input_), bias_init(d_input_));
  for (int64_t i = 0; i < layers_; ++i) {
    const std::string name = "layers." + std::to_string(i);
    const ValueId mixed = drop(block, name + ".drop", mix(block, i, prenorm_ ? norm(block, i, x) : x), 2 * i);
    x = graph.add({.kind = "add", .name = name + ".residual", .inputs = {x, mixed}, .module = name});
    if (!prenorm_) x = norm(block, i, x);
  }
  if (pooled)
    x = graph.add({.kind = "pool",
                   .name = "pool",
                   .inputs = {x, block.cu_seqlens},
                   .attributes = {{"mode", pooling_}},
                   .module = "pool"});
  const ValueId weight = parameter(block, "decoder.weight", {vocabulary_, d_model_}, weight_init(d_model_));
  const ValueId bias = parameter(block, "decoder.bias", {vocabulary_}, bias_init(d_model_));
  add_language_model_loss(graph, batch, x, weight, labels, "decoder", bias);
}

}  // namespace tidemark
