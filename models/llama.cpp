// Llama (Touvron et al., arXiv 2302.13971 and 2307.09288; Grattafiori et al., arXiv 2407.21783): RMSNorm
// before each block, rotary positions, grouped-query attention, SwiGLU. Qwen2 (Yang et al., arXiv 2407.10671)
// adds biases to queries, keys and values.
#include <algorithm>
#include <cmath>

#include "models/architectures.h"
#include "models/rope_scaling.h"

namespace tidemark {
namespace {

constexpr int64_t kLargestHead = 256;  // of the attention op

class Llama final : public Model {
 public:
  explicit Llama(const Config& config)
      : Model(config.text("model_type"), config.value()),
        hidden_(config.positive("hidden_size")),
        intermediate_(config.positive("intermediate_size")),
        layers_(config.positive("num_hidden_layers", {}, 1 << 12)),
        heads_(config.positive("num_attention_heads", {}, 1 << 16)),
        kv_heads_(config.positive("num_key_value_heads", heads_, 1 << 16)),
        epsilon_(config.number("rms_norm_eps", 1e-6, 0, 1)),
        initializer_range_(config.number("initializer_range", 0.02, 0, 1e3)),
        qkv_bias_(family() == "qwen2" || config.flag("attention_bias", false)),
        output_bias_(family() != "qwen2" && qkv_bias_),
        mlp_bias_(config.flag("mlp_bias", false)),
        tied_(config.flag("tie_word_embeddings", false)),
        eager_(config.choice("attn_implementation",
                             {"eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"},
                             "sdpa") == "eager") {
    vocabulary_ = config.positive("vocab_size", {}, 1 << 24);
    config.choice("hidden_act", {"silu"}, "silu");
    if (!config.has("head_dim") && hidden_ % heads_ != 0)
      throw config.error(
          "hidden_size",
          std::to_string(hidden_) + " is not a multiple of num_attention_heads " + std::to_string(heads_),
          "change one of them or give head_dim");
    head_dim_ = config.positive("head_dim", std::max<int64_t>(hidden_ / heads_, 1), kLargestHead);
    if (head_dim_ > kLargestHead)
      throw config.error("hidden_size",
                         "makes heads of " + std::to_string(head_dim_) + " columns, at most " +
                             std::to_string(kLargestHead) + " are supported",
                         "use more heads");
    if (head_dim_ % 2 != 0)
      throw config.error("head_dim", std::to_string(head_dim_) + " is odd, rotary positions turn pairs",
                         "make it even (it is hidden_size / num_attention_heads by default)");
    if (heads_ % kv_heads_ != 0)
      throw config.error(
          "num_key_value_heads",
          std::to_string(kv_heads_) + " does not divide " + "num_attention_heads " + std::to_string(heads_),
          "give a divisor");
    if (config.number("attention_dropout", 0, 0, 1) != 0)
      throw config.error("attention_dropout", "dropout of attention weights is not supported", "set it to 0");
    if (config.flag("use_sliding_window", false))
      throw config.error("use_sliding_window", "attention within a window is not supported",
                         "set it to false");
    rope_frequencies(config, head_dim_, 1);  // refuses a bad section now, not when a batch is built
  }

 private:
  struct Block {  // what all layers share
    Graph& graph;
    DType dtype;
    ValueId table, cu_seqlens;
    int64_t longest;        ///< sequence
    double typical_length;  ///< of a sequence, for cost estimates
  };

  Initializer normal() const { return {Initializer::Kind::normal, initializer_range_}; }

  ValueId parameter(const Block& block, const std::string& name, Shape shape, Initializer init) const {
    return block.graph.add_source(name, {block.dtype, shape}, Category::parameter, init);
  }

  /// y = x W^T + b (+ residual), of "MODULE.NAME".
  ValueId project(const Block& block, const std::string& module, const std::string& name, ValueId x,
                  int64_t in, int64_t out, bool bias, ValueId residual = kNone) const {
    const std::string path = module + "." + name;
    const ValueId weight = parameter(block, path + ".weight", {out, in}, normal());
    const ValueId b =
        bias ? parameter(block, path + ".bias", {out}, {Initializer::Kind::constant, 0}) : kNone;
    return block.graph.add(
        {.kind = "linear", .name = path, .inputs = {x, weight, b, residual}, .module = path});
  }

  ValueId norm(const Block& block, const std::string& path, ValueId x) const {
    const ValueId weight = parameter(block, path + ".weight", {hidden_}, {Initializer::Kind::constant, 1});
    return block.graph.add({.kind = "rms_norm",
                            .name = path,
                            .inputs = {x, weight},
                            .attributes = {{"epsilon", epsilon_}},
                            .module = path});
  }

  ValueId attention(const Block& block, const std::string& module, ValueId x, ValueId residual) const {
    const auto turned = [&](const std::string& name, ValueId value, int64_t heads) {
      return block.graph.add({.kind = "rope",
                              .name = module + "." + name,
                              .inputs = {value, block.table},
                              .attributes = {{"heads", heads}, {"inverse", false}},
                              .module = module});
    };
    const int64_t wide = heads_ * head_dim_, narrow = kv_heads_ * head_dim_;
    const ValueId q = project(block, module, "q_proj", x, hidden_, wide, qkv_bias_);
    const ValueId k = project(block, module, "k_proj", x, hidden_, narrow, qkv_bias_);
    const ValueId v = project(block, module, "v_proj", x, hidden_, narrow, qkv_bias_);
    const ValueId q_turned = turned("q_rope", q, heads_);
    const ValueId k_turned = turned("k_rope", k, kv_heads_);
    Attributes attributes{{"heads", heads_},
                          {"kv_heads", kv_heads_},
                          {"causal", true},
                          {"scale", 1 / std::sqrt(static_cast<double>(head_dim_))}};
    std::vector<ValueId> inputs = {q_turned, k_turned, v};
    if (eager_) {
      attributes.set("length", block.longest);
    } else {
      attributes.set("typical_length", block.typical_length);
      inputs.push_back(block.cu_seqlens);
    }
    const ValueId mixed = block.graph.add({.kind = eager_ ? "eager_attention" : "attention",
                                           .name = module + ".attention",
                                           .inputs = inputs,
                                           .attributes = attributes,
                                           .module = module});
    return project(block, module, "o_proj", mixed, wide, hidden_, output_bias_, residual);
  }

  ValueId mlp(const Block& block, const std::string& module, ValueId x, ValueId residual) const {
    const ValueId gate = project(block, module, "gate_proj", x, hidden_, intermediate_, mlp_bias_);
    const ValueId up = project(block, module, "up_proj", x, hidden_, intermediate_, mlp_bias_);
    const ValueId product = block.graph.add(
        {.kind = "swiglu", .name = module + ".swiglu", .inputs = {gate, up}, .module = module});
    return project(block, module, "down_proj", product, intermediate_, hidden_, mlp_bias_, residual);
  }

  void add_ops(Graph& graph, const BatchSpec& batch) const override {
    if (eager_ && batch.tokens != batch.sequences * batch.max_length)
      throw Error("cannot build", "attn_implementation", "eager attention takes sequences of one length",
                  "use --packing windows");
    const ValueId ids = add_integers(graph, "input_ids", batch.tokens);
    const ValueId positions = add_integers(graph, "position_ids", batch.tokens);
    const ValueId labels = add_integers(graph, "labels", batch.tokens);
    const ValueId cu_seqlens = add_integers(graph, "cu_seqlens", batch.sequences + 1);

    RopeFrequencies rope = rope_frequencies(Config(config(), "config"), head_dim_, batch.max_length);
    const ValueId table =
        graph.add({.kind = "rope_table",
                   .name = "model.rotary_emb",
                   .inputs = {positions},
                   .attributes = {{"frequencies", std::move(rope.frequencies)}, {"scale", rope.scale}},
                   .module = "model.rotary_emb"});
    const Block block{graph,
                      batch.dtype,
                      table,
                      cu_seqlens,
                      batch.max_length,
                      static_cast<double>(batch.tokens) / static_cast<double>(batch.sequences)};
    const ValueId embedding = parameter(block, "model.embed_tokens.weight", {vocabulary_, hidden_}, normal());
    ValueId x = graph.add({.kind = "embedding",
                           .name = "model.embed_tokens",
                           .inputs = {ids, embedding},
                           .module = "model.embed_tokens"});
    for (int64_t i = 0; i < layers_; ++i) {
      const std::string layer = "model.layers." + std::to_string(i);
      x = attention(block, layer + ".self_attn", norm(block, layer + ".input_layernorm", x), x);
      x = mlp(block, layer + ".mlp", norm(block, layer + ".post_attention_layernorm", x), x);
    }
    x = norm(block, "model.norm", x);
    const ValueId head =
        tied_ ? embedding : parameter(block, "lm_head.weight", {vocabulary_, hidden_}, normal());
    add_language_model_loss(graph, batch, x, head, labels, "lm_head");
  }

  int64_t hidden_, intermediate_, layers_, heads_, kv_heads_;
  double epsilon_, initializer_range_;
  bool qkv_bias_, output_bias_, mlp_bias_, tied_;
  bool eager_;  ///< every probability in memory
  int64_t head_dim_ = 0;
};

}  // namespace

std::unique_ptr<Model> make_llama(const Config& config) {
  return std::make_unique<Llama>(config);
}

}  // namespace tidemark
