// RWKV-7 "Goose" (Peng et al., arXiv 2503.14456), as flash-linear-attention builds it: layers of time mixing,
// a generalised delta rule whose decay, learning rate and gate are low-rank functions of the input, and
// channel mixing, a feed-forward layer with squared ReLU. Both see every row mixed with the one before.
#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "graph/state_space_workspace.h"
#include "models/architectures.h"

namespace tidemark {
namespace {

class Rwkv7 final : public Model {
 public:
  explicit Rwkv7(const Config& config)
      : Model("rwkv7", config.value()),
        hidden_(config.positive("hidden_size")),
        head_columns_(head_columns(config)),
        layers_(config.positive("num_hidden_layers", {}, 1 << 12)),
        ffn_(config.positive("intermediate_size", default_intermediate(config))),
        decay_rank_(rank(config, "decay_low_rank_dim", 2.5, true)),
        rate_rank_(rank(config, "a_low_rank_dim", 2.5, true)),
        value_rank_(rank(config, "v_low_rank_dim", 1.7, true)),
        gate_rank_(rank(config, "gate_low_rank_dim", 5, false)),
        epsilon_(config.number("norm_eps", 1e-5, 0, 1)),
        norm_first_(config.flag("norm_first", true)),
        norm_bias_(config.flag("norm_bias", true)),
        tied_(config.flag("tie_word_embeddings", false)) {
    vocabulary_ = config.positive("vocab_size", {}, 1 << 24);
    config.choice("hidden_act", {"sqrelu"}, "sqrelu");
    if (config.has("attn"))
      throw config.error("attn", "layers of attention are not supported", "set it to null");
    check_value_columns(config);
  }

 private:
  int64_t head_columns(const Config& config) const {
    const bool by_number = !config.has("head_dim") && config.has("num_heads");
    const char* const field = by_number ? "num_heads" : "head_dim";
    const int64_t divisor = by_number ? config.positive("num_heads") : config.positive("head_dim", 64);
    if (hidden_ % divisor != 0)
      throw config.error(field,
                         std::to_string(divisor) + " does not divide hidden_size " + std::to_string(hidden_),
                         "make it a divisor");
    const int64_t columns = by_number ? hidden_ / divisor : divisor;
    if (!by_number && config.has("num_heads") && config.positive("num_heads") != hidden_ / columns)
      throw config.error("num_heads", "is not hidden_size / head_dim = " + std::to_string(hidden_ / columns),
                         "make it that, or leave it out");
    return columns;
  }

  int64_t default_intermediate(const Config& config) const {
    const double wanted = static_cast<double>(hidden_) * config.number("hidden_ratio", 4, 1.0 / 1024, 1024);
    return 32 * ((static_cast<int64_t>(wanted) + 31) / 32);
  }

  /// Published ranks grow with the root of the width, those of a head's operands with the head, too.
  int64_t rank(const Config& config, const char* field, double factor, bool per_head) const {
    const double head = per_head ? static_cast<double>(head_columns_) / 64 : 1;
    const double wanted = factor * std::sqrt(static_cast<double>(hidden_)) * head;
    return config.positive(field, std::max<int64_t>(32, 32 * std::llrint(wanted / 32)));
  }

  void check_value_columns(const Config& config) const {
    if (!config.has("value_dim")) return;
    const bool list = config.value().at("value_dim").is_array();
    for (const int64_t columns :
         list ? config.integers("value_dim", 1, 1 << 20) : std::vector<int64_t>{config.positive("value_dim")})
      if (columns != hidden_)
        throw config.error("value_dim", "heads of values as wide as of keys only are supported",
                           "set it to hidden_size, " + std::to_string(hidden_));
  }

  struct Block {  // what all layers share
    Graph& graph;
    DType dtype;
    ValueId cu_seqlens;
    ValueId first_values = kNone;  ///< of layer 0, towards which the other layers' values move
  };

  int64_t heads() const { return hidden_ / head_columns_; }
  /// Where a layer stands: 0 to 1, and 1 to almost 0.
  double depth(int64_t layer) const {
    return layers_ > 1 ? static_cast<double>(layer) / static_cast<double>(layers_ - 1) : 0;
  }
  double height(int64_t layer) const { return 1 - static_cast<double>(layer) / static_cast<double>(layers_); }

  static Initializer constant(double value) { return {Initializer::Kind::constant, value}; }
  Initializer uniform(double gain) const {
    return {Initializer::Kind::uniform, gain / std::sqrt(static_cast<double>(hidden_))};
  }
  /// fn(place of the column among all from 0 to 1, and within its head from -1 to 1) of every column.
  template <typename Fn>
  Initializer by_column(Fn&& fn) const {
    const auto place = [](int64_t i, int64_t n) {
      return n > 1 ? static_cast<double>(i) / static_cast<double>(n - 1) : 0.5;
    };
    Initializer table{Initializer::Kind::table};
    for (int64_t i = 0; i < hidden_; ++i)
      table.values.push_back(fn(place(i, hidden_), 2 * place(i % head_columns_, head_columns_) - 1));
    return table;
  }

  ValueId matrix(const Block& block, const std::string& name, int64_t out, int64_t in,
                 Initializer init) const {
    return block.graph.add_source(name, {block.dtype, {out, in}}, Category::parameter, std::move(init));
  }
  /// No part in weight decay.
  ValueId small(const Block& block, const std::string& name, Shape shape, Initializer init,
                double learning_rate_scale = 1) const {
    return block.graph.add_source(name, {block.dtype, shape}, Category::parameter, std::move(init),
                                  {.decays = false, .learning_rate_scale = learning_rate_scale});
  }

  ValueId norm(const Block& block, const std::string& path, ValueId x, bool bias, double epsilon,
               int64_t groups = 1, double weight = 1) const {
    const ValueId scale = small(block, path + ".weight", {hidden_}, constant(weight));
    return block.graph.add(
        {.kind = "layer_norm",
         .name = path,
         .inputs = {x, scale, bias ? small(block, path + ".bias", {hidden_}, constant(0)) : kNone},
         .attributes = {{"epsilon", epsilon}, {"groups", groups}},
         .module = path});
  }

  ValueId linear(const Block& block, const std::string& path, ValueId x, int64_t out, Initializer init,
                 ValueId bias = kNone, ValueId residual = kNone) const {
    const int64_t in = block.graph.value(x).type.shape[1];
    const ValueId weight = matrix(block, path + ".weight", out, in, std::move(init));
    return block.graph.add(
        {.kind = "linear", .name = path, .inputs = {x, weight, bias, residual}, .module = path});
  }

  ValueId activate(const Block& block, const std::string& path, ValueId x, const char* function) const {
    return block.graph.add({.kind = "activation",
                            .name = path + ".activation",
                            .inputs = {x},
                            .attributes = {{"function", std::string(function)}},
                            .module = path});
  }

  /// The share of the row before in column i: 1 - (i / hidden)^power.
  ValueId shift(const Block& block, const std::string& path, const std::string& name, Shape shape, ValueId x,
                double power) const {
    Initializer shares{Initializer::Kind::table};
    for (int64_t i = 0; i < hidden_; ++i)
      shares.values.push_back(1 - std::pow(static_cast<double>(i) / static_cast<double>(hidden_), power));
    const ValueId mix = small(block, path + "." + name, shape, std::move(shares));
    return block.graph.add({.kind = "token_shift",
                            .name = path + ".shifted_" + name,
                            .inputs = {x, mix, block.cu_seqlens},
                            .attributes = {{"of_previous", true}},
                            .module = path});
  }

  /// Two matrices, an activation between them where one is named, and a bias where one is given.
  ValueId low_rank(const Block& block, const std::string& path, ValueId x, int64_t width,
                   const char* function, const Initializer* bias, double bias_rate = 1) const {
    ValueId narrow = linear(block, path + ".lora.0", x, width, constant(0));
    if (function) narrow = activate(block, path, narrow, function);
    const ValueId shift = bias ? small(block, path + ".lora.2.bias", {hidden_}, *bias, bias_rate) : kNone;
    // Normal with the variance of the orthogonal matrices that are published.
    const double spread = 0.1 / std::sqrt(static_cast<double>(hidden_));
    return linear(block, path + ".lora.2", narrow, hidden_, {Initializer::Kind::normal, spread}, shift);
  }

  ValueId mix_times(Block& block, const std::string& path, int64_t layer, ValueId x, ValueId residual) const {
    const double slope = 1 + std::pow(depth(layer), 0.3);
    const auto bent = [](double within) { return within * std::abs(within); };
    const Initializer decays = by_column(
        [&](double place, double within) { return -5.5 + 6 * std::pow(place, slope) + 2.5 * bent(within); });
    const Initializer rates = by_column(
        [&](double place, double within) { return -0.19 + 0.3 * bent(within) + 0.4 * (place - 0.5); });
    const Initializer keeps = by_column([](double place, double) { return 0.73 - 0.4 * (place - 0.5); });
    const auto shifted = [&](const char* name, double power) {
      return shift(block, path, name, {1, 1, hidden_}, x, power * height(layer));
    };

    const ValueId r = linear(block, path + ".r_proj", shifted("x_r", 0.2), hidden_, uniform(0.5));
    const ValueId w = low_rank(block, path + ".w_lora", shifted("x_w", 0.9), decay_rank_, "tanh", &decays, 2);
    const ValueId k = linear(block, path + ".k_proj", shifted("x_k", 0.7), hidden_, uniform(0.05));
    const ValueId for_values = shifted("x_v", 0.7);
    ValueId v = linear(block, path + ".v_proj", for_values, hidden_, uniform(0.5));
    if (layer == 0)
      block.first_values = v;
    else
      v = block.graph.add(
          {.kind = "gated_lerp",
           .name = path + ".v",
           .inputs = {v, block.first_values,
                      low_rank(block, path + ".v_lora", for_values, value_rank_, nullptr, &keeps)},
           .module = path});
    const ValueId a = low_rank(block, path + ".a_lora", shifted("x_a", 0.9), rate_rank_, nullptr, &rates);
    const ValueId g = low_rank(block, path + ".g_lora", shifted("x_g", 0.2), gate_rank_, "sigmoid", nullptr);

    const ValueId k_k = small(block, path + ".k_k", {hidden_},
                              by_column([](double place, double) { return 0.71 - 0.1 * (place - 0.5); }));
    const ValueId k_a = small(block, path + ".k_a", {hidden_}, constant(1.02));
    const ValueId r_k = small(block, path + ".r_k", {heads(), head_columns_}, constant(-0.04));
    const ValueId y =
        block.graph.add({.kind = "wkv7",
                         .name = path + ".wkv",
                         .inputs = {r, w, k, v, a, k_k, k_a, block.cu_seqlens},
                         .attributes = {{"heads", heads()}, {"chunk_rows", cpu::kScanChunkRows}},
                         .module = path});
    const double weight = std::pow(static_cast<double>(layer + 1) / static_cast<double>(layers_), 0.7);
    const ValueId normed = norm(block, path + ".g_norm", y, true,
                                epsilon_ * static_cast<double>(head_columns_), heads(), weight);
    const ValueId gated = block.graph.add({.kind = "wkv7_output",
                                           .name = path + ".gated",
                                           .inputs = {normed, r, k, v, a, g, k_a, r_k},
                                           .attributes = {{"heads", heads()}},
                                           .module = path});
    return linear(block, path + ".o_proj", gated, hidden_, constant(0), kNone, residual);
  }

  ValueId mix_channels(const Block& block, const std::string& path, int64_t layer, ValueId x,
                       ValueId residual) const {
    const ValueId shifted = shift(block, path, "x_k", {hidden_}, x, std::pow(height(layer), 4));
    const ValueId k = linear(block, path + ".key", shifted, ffn_, uniform(0.5));
    return linear(block, path + ".value", activate(block, path, k, "relu_squared"), hidden_, constant(0),
                  kNone, residual);
  }

  ValueId layer(Block& block, int64_t index, ValueId x) const {
    const std::string path = "model.layers." + std::to_string(index);
    const auto normed = [&](const std::string& name) {
      return norm(block, path + name, x, norm_bias_, epsilon_);
    };
    if (index == 0 && norm_first_) x = normed(".pre_norm");
    x = mix_times(block, path + ".attn", index, normed(".attn_norm"), x);
    return mix_channels(block, path + ".ffn", index, normed(".ffn_norm"), x);
  }

  void add_ops(Graph& graph, const BatchSpec& batch) const override {
    const ValueId ids = add_integers(graph, "input_ids", batch.tokens);
    const ValueId labels = add_integers(graph, "labels", batch.tokens);
    Block block{graph, batch.dtype, add_integers(graph, "cu_seqlens", batch.sequences + 1)};
    const ValueId embedding =
        matrix(block, "model.embeddings.weight", vocabulary_, hidden_, {Initializer::Kind::uniform, 1e-4});
    ValueId x = graph.add({.kind = "embedding",
                           .name = "model.embeddings",
                           .inputs = {ids, embedding},
                           .module = "model.embeddings"});
    for (int64_t i = 0; i < layers_; ++i) x = layer(block, i, x);
    x = norm(block, "model.norm", x, norm_bias_, epsilon_);
    const double spread = 0.5 / std::sqrt(static_cast<double>(std::min(vocabulary_, hidden_)));
    const ValueId head =
        tied_ ? embedding
              : matrix(block, "lm_head.weight", vocabulary_, hidden_, {Initializer::Kind::normal, spread});
    add_language_model_loss(graph, batch, x, head, labels, "lm_head");
  }

  int64_t hidden_, head_columns_, layers_, ffn_;
  int64_t decay_rank_, rate_rank_, value_rank_, gate_rank_;
  double epsilon_;
  bool norm_first_, norm_bias_, tied_;
};

}  // namespace

std::unique_ptr<Model> make_rwkv7(const Config& config) {
  return std::make_unique<Rwkv7>(config);
}

}  // namespace tidemark
