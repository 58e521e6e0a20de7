// The retentive network (Sun et al., arXiv 2307.08621) as torchscale builds it: RMS norm, multi-scale
// retention of rotated queries and keys, each head normed on its own and gated, then a gated feed-forward
// layer.
#include <cmath>

#include "models/architectures.h"

namespace tidemark {
namespace {

class RetNet final : public Model {
 public:
  explicit RetNet(const Config& config)
      : Model("retnet", config.value()),
        hidden_(config.positive("decoder_embed_dim")),
        value_columns_(config.positive("decoder_value_embed_dim")),
        heads_(config.positive("decoder_retention_heads")),
        ffn_(config.positive("decoder_ffn_embed_dim")),
        layers_(config.positive("decoder_layers", {}, 1 << 12)),
        chunk_rows_(config.positive("recurrent_chunk_size", 512)),
        epsilon_(config.number("layernorm_eps", 1e-6, 0, 1)),
        norm_before_(config.flag("decoder_normalize_before", true)),
        norms_embedding_(config.flag("layernorm_embedding", false)),
        scales_embedding_(!config.flag("no_scale_embedding", true)),
        tied_(config.flag("share_decoder_input_output_embed", false)),
        larger_start_(config.flag("subln", false)) {
    vocabulary_ = config.positive("vocab_size", {}, 1 << 24);
    config.choice("activation_fn", {"swish", "silu"}, "swish");
    if (config.flag("deepnorm", false)) throw config.error("deepnorm", "is not supported", "set it to false");
    if (config.number("dropout", 0, 0, 1) != 0)
      throw config.error("dropout", "is not supported", "set it to 0");
    if (hidden_ % heads_ != 0 || hidden_ / heads_ % 2 != 0)
      throw config.error("decoder_embed_dim",
                         std::to_string(hidden_) + " is not a multiple of twice decoder_retention_heads " +
                             std::to_string(heads_),
                         "heads turn pairs of columns: make it one");
    if (value_columns_ % heads_ != 0)
      throw config.error("decoder_value_embed_dim",
                         std::to_string(value_columns_) + " is not a multiple of decoder_retention_heads " +
                             std::to_string(heads_),
                         "make it one");
    if (heads_ > 40)
      throw config.error("decoder_retention_heads", "the decay 1 - 2^(-5 - head) of the last is 1",
                         "give at most 40");
  }

  bool labels_are_shifted() const override { return true; }

 private:
  struct Block {  // what all layers share
    Graph& graph;
    DType dtype;
    ValueId table, cu_seqlens;
  };

  ValueId norm(const Block& block, const std::string& path, ValueId x) const {
    const ValueId weight = block.graph.add_source(path + ".weight", {block.dtype, {hidden_}},
                                                  Category::parameter, {Initializer::Kind::constant, 1});
    return block.graph.add({.kind = "rms_norm",
                            .name = path,
                            .inputs = {x, weight},
                            .attributes = {{"epsilon", epsilon_}},
                            .module = path});
  }

  /// Glorot & Bengio 2010. torchscale scales those of `larger`.
  ValueId project(const Block& block, const std::string& path, ValueId x, int64_t out, double gain,
                  bool larger, ValueId residual = kNone) const {
    const int64_t in = block.graph.value(x).type.shape[1];
    const double scale =
        larger && larger_start_ ? std::sqrt(std::log(2.0 * static_cast<double>(layers_))) : 1;
    const double bound = scale * gain * std::sqrt(6 / static_cast<double>(in + out));
    const ValueId weight = block.graph.add_source(path + ".weight", {block.dtype, {out, in}},
                                                  Category::parameter, {Initializer::Kind::uniform, bound});
    return block.graph.add(
        {.kind = "linear", .name = path, .inputs = {x, weight, kNone, residual}, .module = path});
  }

  ValueId turn(const Block& block, const std::string& name, ValueId x) const {
    return block.graph.add({.kind = "rope",
                            .name = name,
                            .inputs = {x, block.table},
                            .attributes = {{"heads", heads_}, {"inverse", false}, {"interleaved", true}},
                            .module = name});
  }

  ValueId gate(const Block& block, const std::string& name, ValueId gate, ValueId x) const {
    return block.graph.add({.kind = "swiglu", .name = name, .inputs = {gate, x}, .module = name});
  }

  ValueId retain(const Block& block, const std::string& path, ValueId x, ValueId residual) const {
    const double narrow = std::pow(2, -2.5);
    const ValueId q = turn(block, path + ".q", project(block, path + ".q_proj", x, hidden_, narrow, false));
    const ValueId k = turn(block, path + ".k", project(block, path + ".k_proj", x, hidden_, narrow, false));
    const ValueId v = project(block, path + ".v_proj", x, value_columns_, narrow, true);
    const ValueId open = project(block, path + ".g_proj", x, value_columns_, narrow, false);
    std::vector<double> decays;
    for (int64_t head = 0; head < heads_; ++head)
      decays.push_back(1 - std::exp2(-5 - static_cast<double>(head)));
    const double scale = 1 / std::sqrt(static_cast<double>(hidden_ / heads_));
    const ValueId retained = block.graph.add(
        {.kind = "retention",
         .name = path,
         .inputs = {q, k, v, block.cu_seqlens},
         .attributes = {{"decays", std::move(decays)}, {"scale", scale}, {"chunk_rows", chunk_rows_}},
         .module = path});
    const ValueId normed = block.graph.add({.kind = "rms_norm",
                                            .name = path + ".group_norm",
                                            .inputs = {retained},
                                            .attributes = {{"epsilon", epsilon_}, {"groups", heads_}},
                                            .module = path});
    return project(block, path + ".out_proj", gate(block, path + ".gate", open, normed), hidden_, 0.5, true,
                   residual);
  }

  ValueId feed_forward(const Block& block, const std::string& path, ValueId x, ValueId residual) const {
    const double linear = std::sqrt(0.5);
    const ValueId open = project(block, path + ".fc1", x, ffn_, linear, true);
    const ValueId value = project(block, path + ".gate", x, ffn_, linear, false);
    return project(block, path + ".fc2", gate(block, path + ".glu", open, value), hidden_, linear, true,
                   residual);
  }

  ValueId layer(const Block& block, const std::string& path, ValueId x) const {
    const auto sublayer = [&](const std::string& norm_name, auto&& body) {
      const ValueId y = body(norm_before_ ? norm(block, path + norm_name, x) : x, x);
      x = norm_before_ ? y : norm(block, path + norm_name, y);
    };
    sublayer(".retention_layer_norm",
             [&](ValueId in, ValueId residual) { return retain(block, path + ".retention", in, residual); });
    sublayer(".final_layer_norm",
             [&](ValueId in, ValueId residual) { return feed_forward(block, path + ".ffn", in, residual); });
    return x;
  }

  void add_ops(Graph& graph, const BatchSpec& batch) const override {
    const ValueId ids = add_integers(graph, "input_ids", batch.tokens);
    const ValueId labels = add_integers(graph, "labels", batch.tokens);
    const ValueId positions = add_integers(graph, "position_ids", batch.tokens);
    Block block{graph, batch.dtype, kNone, add_integers(graph, "cu_seqlens", batch.sequences + 1)};
    std::vector<double> frequencies;
    const int64_t pairs = hidden_ / heads_ / 2;
    for (int64_t i = 0; i < pairs; ++i)
      frequencies.push_back(
          std::pow(10000, pairs > 1 ? -static_cast<double>(i) / static_cast<double>(pairs - 1) : 0));
    block.table = graph.add({.kind = "rope_table",
                             .name = "angles",
                             .inputs = {positions},
                             .attributes = {{"frequencies", std::move(frequencies)}, {"scale", 1.0}},
                             .module = "angles"});
    const double width = std::sqrt(static_cast<double>(hidden_));
    const auto vocabulary = [&](const std::string& name) {
      return graph.add_source(name, {batch.dtype, {vocabulary_, hidden_}}, Category::parameter,
                              {Initializer::Kind::normal, 1 / width});
    };
    const ValueId embedding = vocabulary("embed_tokens.weight");
    Attributes scale;
    if (scales_embedding_) scale.set("scale", width);
    ValueId x = graph.add({.kind = "embedding",
                           .name = "embed_tokens",
                           .inputs = {ids, embedding},
                           .attributes = std::move(scale),
                           .module = "embed_tokens"});
    if (norms_embedding_) x = norm(block, "layernorm_embedding", x);
    for (int64_t i = 0; i < layers_; ++i) x = layer(block, "layers." + std::to_string(i), x);
    if (norm_before_) x = norm(block, "layer_norm", x);
    const ValueId head = tied_ ? embedding : vocabulary("output_projection.weight");
    add_language_model_loss(graph, batch, x, head, labels, "output_projection");
  }

  int64_t hidden_, value_columns_, heads_, ffn_, layers_, chunk_rows_;
  double epsilon_;
  bool norm_before_, norms_embedding_, scales_embedding_, tied_, larger_start_;
};

}  // namespace

std::unique_ptr<Model> make_retnet(const Config& config) {
  return std::make_unique<RetNet>(config);
}

}  // namespace tidemark
