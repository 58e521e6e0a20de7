// RWKV-4 (Peng et al., arXiv 2305.13048), as transformers builds it: layers of time mixing, a weighted mean
// over what came before, and channel mixing, a feed-forward layer with squared ReLU. Both see every row mixed
// with the one before, and both have a sigmoid gate.
#include <cmath>

#include "graph/state_space_workspace.h"
#include "models/architectures.h"

namespace tidemark {
namespace {

class Rwkv final : public Model {
 public:
  explicit Rwkv(const Config& config)
      : Model("rwkv", config.value()),
        hidden_(config.positive("hidden_size")),
        attention_(config.positive("attention_hidden_size", hidden_)),
        ffn_(config.positive("intermediate_size", 4 * hidden_)),
        layers_(config.positive("num_hidden_layers", {}, 1 << 12)),
        epsilon_(config.number("layer_norm_epsilon", 1e-5, 0, 1)),
        tied_(config.flag("tie_word_embeddings", false)) {
    vocabulary_ = config.positive("vocab_size", {}, 1 << 24);
  }

 private:
  struct Block {  // what all layers share
    Graph& graph;
    DType dtype;
    ValueId cu_seqlens;
  };

  /// Where a layer stands: 0 to 1, and 1 to almost 0.
  double depth(int64_t layer) const {
    return layers_ > 1 ? static_cast<double>(layer) / static_cast<double>(layers_ - 1) : 0;
  }
  double height(int64_t layer) const { return 1 - static_cast<double>(layer) / static_cast<double>(layers_); }

  ValueId parameter(const Block& block, const std::string& name, Shape shape, Initializer init) const {
    return block.graph.add_source(name, {block.dtype, shape}, Category::parameter, std::move(init));
  }

  ValueId norm(const Block& block, const std::string& path, ValueId x, double epsilon) const {
    const ValueId weight = parameter(block, path + ".weight", {hidden_}, {Initializer::Kind::constant, 1});
    const ValueId bias = parameter(block, path + ".bias", {hidden_}, {Initializer::Kind::constant, 0});
    return block.graph.add({.kind = "layer_norm",
                            .name = path,
                            .inputs = {x, weight, bias},
                            .attributes = {{"epsilon", epsilon}, {"groups", int64_t{1}}},
                            .module = path});
  }

  /// Normal with the variance of the orthogonal matrices that are published; most start at zero.
  static Initializer scaled(double gain, int64_t in) {
    return {Initializer::Kind::normal, gain / std::sqrt(static_cast<double>(in))};
  }
  static Initializer zero() { return {Initializer::Kind::constant, 0}; }

  ValueId project(const Block& block, const std::string& path, ValueId x, int64_t out, Initializer init,
                  ValueId residual = kNone) const {
    const int64_t in = block.graph.value(x).type.shape[1];
    const ValueId weight = parameter(block, path + ".weight", {out, in}, std::move(init));
    return block.graph.add(
        {.kind = "linear", .name = path, .inputs = {x, weight, kNone, residual}, .module = path});
  }

  /// Every row's share (i / hidden)^power + more, of column i.
  ValueId shift(const Block& block, const std::string& path, const std::string& name, ValueId x, double power,
                double more = 0) const {
    Initializer shares{Initializer::Kind::table};
    for (int64_t i = 0; i < hidden_; ++i)
      shares.values.push_back(std::pow(static_cast<double>(i) / static_cast<double>(hidden_), power) + more);
    const ValueId mix = block.graph.add_source(path + ".time_mix_" + name, {block.dtype, {1, 1, hidden_}},
                                               Category::parameter, std::move(shares), {.decays = false});
    return block.graph.add({.kind = "token_shift",
                            .name = path + ".shift_" + name,
                            .inputs = {x, mix, block.cu_seqlens},
                            .attributes = {{"of_previous", false}},
                            .module = path});
  }

  ValueId gate(const Block& block, const std::string& path, ValueId x, ValueId receptance) const {
    return block.graph.add(
        {.kind = "glu", .name = path + ".gated", .inputs = {x, receptance}, .module = path});
  }

  /// Of the mean's weights: in f32 whatever the rest is in, since their effect grows over the sequence.
  ValueId weight_parameter(const Block& block, const std::string& name, Initializer init,
                           double learning_rate_scale) const {
    return block.graph.add_source(name, {DType::f32, {attention_}}, Category::parameter, std::move(init),
                                  {.decays = false, .learning_rate_scale = learning_rate_scale});
  }

  ValueId mix_times(const Block& block, const std::string& path, int64_t layer, ValueId x,
                    ValueId residual) const {
    Initializer decays{Initializer::Kind::table}, firsts{Initializer::Kind::table};
    for (int64_t i = 0; i < attention_; ++i) {
      const double place = attention_ > 1 ? static_cast<double>(i) / static_cast<double>(attention_ - 1) : 0;
      decays.values.push_back(-5 + 8 * std::pow(place, 0.7 + 1.3 * depth(layer)));
      firsts.values.push_back(std::log(0.3) + 0.5 * static_cast<double>((i + 1) % 3 - 1));
    }
    const ValueId decay = weight_parameter(block, path + ".time_decay", std::move(decays), 2);
    const ValueId first = weight_parameter(block, path + ".time_first", std::move(firsts), 3);
    const double power = height(layer);
    const ValueId k = project(block, path + ".key", shift(block, path, "key", x, power), attention_, zero());
    const ValueId v =
        project(block, path + ".value", shift(block, path, "value", x, power, 0.3 * depth(layer)), attention_,
                scaled(1, hidden_));
    const ValueId r = project(block, path + ".receptance", shift(block, path, "receptance", x, power / 2),
                              attention_, zero());
    const ValueId mean = block.graph.add({.kind = "wkv",
                                          .name = path + ".wkv",
                                          .inputs = {k, v, decay, first, block.cu_seqlens},
                                          .attributes = {{"chunk_rows", cpu::kScanChunkRows}},
                                          .module = path});
    return project(block, path + ".output", gate(block, path, mean, r), hidden_, zero(), residual);
  }

  ValueId mix_channels(const Block& block, const std::string& path, int64_t layer, ValueId x) const {
    const double power = height(layer);
    const ValueId k =
        project(block, path + ".key", shift(block, path, "key", x, power), ffn_, scaled(1, hidden_));
    const ValueId active = block.graph.add({.kind = "activation",
                                            .name = path + ".activation",
                                            .inputs = {k},
                                            .attributes = {{"function", std::string("relu_squared")}},
                                            .module = path});
    const ValueId v = project(block, path + ".value", active, hidden_, zero());
    const ValueId r =
        project(block, path + ".receptance", shift(block, path, "receptance", x, power), hidden_, zero());
    return gate(block, path, v, r);
  }

  ValueId layer(const Block& block, int64_t index, ValueId x) const {
    const std::string path = "rwkv.blocks." + std::to_string(index);
    if (index == 0) x = norm(block, path + ".pre_ln", x, epsilon_);
    x = mix_times(block, path + ".attention", index, norm(block, path + ".ln1", x, epsilon_), x);
    const ValueId y =
        mix_channels(block, path + ".feed_forward", index, norm(block, path + ".ln2", x, epsilon_));
    return block.graph.add({.kind = "add", .name = path + ".residual", .inputs = {x, y}, .module = path});
  }

  void add_ops(Graph& graph, const BatchSpec& batch) const override {
    const ValueId ids = add_integers(graph, "input_ids", batch.tokens);
    const ValueId labels = add_integers(graph, "labels", batch.tokens);
    const Block block{graph, batch.dtype, add_integers(graph, "cu_seqlens", batch.sequences + 1)};
    const ValueId embedding = parameter(block, "rwkv.embeddings.weight", {vocabulary_, hidden_},
                                        {Initializer::Kind::uniform, 1e-4});
    ValueId x = graph.add({.kind = "embedding",
                           .name = "rwkv.embeddings",
                           .inputs = {ids, embedding},
                           .module = "rwkv.embeddings"});
    for (int64_t i = 0; i < layers_; ++i) x = layer(block, i, x);
    x = norm(block, "rwkv.ln_out", x, 1e-5);  // whatever the layers have, as transformers does
    const ValueId head =
        tied_ ? embedding : parameter(block, "head.weight", {vocabulary_, hidden_}, scaled(0.5, hidden_));
    add_language_model_loss(graph, batch, x, head, labels, "head");
  }

  int64_t hidden_, attention_, ffn_, layers_;
  double epsilon_;
  bool tied_;
};

}  // namespace

std::unique_ptr<Model> make_rwkv(const Config& config) {
  return std::make_unique<Rwkv>(config);
}

}  // namespace tidemark
