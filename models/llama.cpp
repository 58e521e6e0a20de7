// Llama (Touvron et al., arXiv 2302.13971 and 2307.09288; Grattafiori et al., arXiv 2407.21783): RMSNorm
// before each block, rotary positions, grouped-query attention, SwiGLU. Qwen2 (Yang et al., arXiv 2407.10671)
// adds biases to queries, keys and values.
#include <algorithm>
#include <cmath>

#include "models/architectures.h"
#include "models/decoder_model.h"

namespace tidemark {
namespace {

class Llama final : public DecoderModel {
 public:
  explicit Llama(const Config& config)
      : DecoderModel(config),
        intermediate_(config.positive("intermediate_size")),
        heads_(config.positive("num_attention_heads", {}, 1 << 16)),
        kv_heads_(config.positive("num_key_value_heads", heads_, 1 << 16)),
        qkv_bias_(family() == "qwen2" || config.flag("attention_bias", false)),
        output_bias_(family() != "qwen2" && qkv_bias_),
        mlp_bias_(config.flag("mlp_bias", false)),
        eager_(config.choice("attn_implementation",
                             {"eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"},
                             "sdpa") == "eager") {
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
    if (config.flag("use_sliding_window", false))
      throw config.error("use_sliding_window", "attention within a window is not supported",
                         "set it to false");
    turned_columns_ = head_dim_;
    check_positions(config);
  }

 private:
  ValueId attention(const Block& block, const std::string& module, ValueId x,
                    ValueId residual) const override {
    const auto turned = [&](const std::string& name, ValueId value, int64_t heads) {
      return block.graph.add({.kind = "rope",
                              .name = module + "." + name,
                              .inputs = {value, block.table},
                              .attributes = {{"heads", heads}, {"inverse", false}},
                              .module = module});
    };
    const int64_t wide = heads_ * head_dim_, narrow = kv_heads_ * head_dim_;
    const ValueId q = project(block, module, "q_proj", x, wide, kNone, qkv_bias_);
    const ValueId k = project(block, module, "k_proj", x, narrow, kNone, qkv_bias_);
    const ValueId v = project(block, module, "v_proj", x, narrow, kNone, qkv_bias_);
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
    return project(block, module, "o_proj", mixed, hidden_, residual, output_bias_);
  }

  ValueId feed_forward(const Block& block, int64_t, const std::string& module, ValueId x,
                       ValueId residual) const override {
    return mlp(block, module, x, intermediate_, residual, mlp_bias_);
  }

  void add_ops(Graph& graph, const BatchSpec& batch) const override {
    if (eager_ && batch.tokens != batch.sequences * batch.max_length)
      throw Error("cannot build", "attn_implementation", "eager attention takes sequences of one length",
                  "use --packing windows");
    DecoderModel::add_ops(graph, batch);
  }

  int64_t intermediate_, heads_, kv_heads_;
  bool qkv_bias_, output_bias_, mlp_bias_;
  bool eager_;  ///< every probability in memory
  int64_t head_dim_ = 0;
};

}  // namespace

std::unique_ptr<Model> make_llama(const Config& config) {
  return std::make_unique<Llama>(config);
}

}  // namespace tidemark
