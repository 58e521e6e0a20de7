// DeepSeek-V3 (arXiv 2412.19437), of which Moonlight (arXiv 2502.16982) is a small one: latent attention,
// whose keys and values are projections of one narrow vector per token (DeepSeek-V2, arXiv 2405.04434), and
// after the first layers a mixture of experts, some for every token and some of many that the token chooses.
//
// The experts of a layer are one parameter each for their gates, ups and downs, published expert by expert.
// What a choice is biased by is not trained by gradient, but moved towards equal loads (Wang et al. 2024,
// arXiv 2408.15664) where the config says how far.
#include <cmath>

#include "models/architectures.h"
#include "models/decoder_model.h"

namespace tidemark {
namespace {

constexpr double kLatentEpsilon = 1e-6;  // of the norms of latent vectors, whatever rms_norm_eps is

class DeepseekV3 final : public DecoderModel {
 public:
  explicit DeepseekV3(const Config& config)
      : DecoderModel(config),
        intermediate_(config.positive("intermediate_size")),
        expert_columns_(config.positive("moe_intermediate_size")),
        dense_layers_(config.integer("first_k_dense_replace", 3, 0, 1 << 12)),
        heads_(config.positive("num_attention_heads", {}, 1 << 16)),
        q_rank_(config.has("q_lora_rank") ? config.positive("q_lora_rank") : 0),
        kv_rank_(config.positive("kv_lora_rank")),
        key_columns_(config.positive("qk_nope_head_dim", {}, kLargestHead)),
        value_columns_(config.positive("v_head_dim", {}, kLargestHead)),
        experts_(config.positive("n_routed_experts", {}, 1 << 12)),
        shared_experts_(config.integer("n_shared_experts", 1, 0, 1 << 8)),
        top_k_(config.positive("num_experts_per_tok", {}, 1 << 12)),
        groups_(config.positive("n_group", 8, 64)),
        top_groups_(config.positive("topk_group", 4, 64)),
        routed_scale_(config.number("routed_scaling_factor", 2.5, 1e-6, 1e6)),
        bias_step_(config.number("bias_update_speed", 0, 0, 1)),
        scores_(config.choice("scoring_func", {"sigmoid", "softmax"}, "sigmoid")),
        bias_(config.flag("attention_bias", false)),
        normalizes_(config.flag("norm_topk_prob", true)),
        interleaved_(config.flag("rope_interleave", true)) {
    config.choice("topk_method", {"noaux_tc"}, "noaux_tc");
    turned_columns_ = config.positive("qk_rope_head_dim", {}, kLargestHead);
    check_experts(config);
    check_attention(config);
  }

 private:
  void check_experts(const Config& config) const {
    if (config.positive("moe_layer_freq", 1) != 1)
      throw config.error("moe_layer_freq", "dense layers between those with experts are not supported",
                         "set it to 1");
    if (experts_ % groups_ != 0)
      throw config.error(
          "n_group",
          std::to_string(groups_) + " does not divide n_routed_experts " + std::to_string(experts_),
          "give a divisor");
    if (top_groups_ > groups_)
      throw config.error("topk_group", "more than n_group " + std::to_string(groups_),
                         "give at most as many");
    if (top_k_ > top_groups_ * (experts_ / groups_))
      throw config.error("num_experts_per_tok",
                         "more than the " + std::to_string(top_groups_ * (experts_ / groups_)) +
                             " experts there are to choose from",
                         "give at most as many");
  }

  void check_attention(const Config& config) {
    if (config.positive("num_key_value_heads", heads_) != heads_)
      throw config.error("num_key_value_heads", "latent attention has keys for each head",
                         "set it to num_attention_heads " + std::to_string(heads_));
    if (turned_columns_ % 2 != 0)
      throw config.error("qk_rope_head_dim",
                         std::to_string(turned_columns_) + " is odd, rotary positions turn pairs",
                         "make it even");
    if (head_columns() > kLargestHead)
      throw config.error("qk_nope_head_dim",
                         "makes heads of " + std::to_string(head_columns()) +
                             " columns with qk_rope_head_dim, at most " + std::to_string(kLargestHead) +
                             " are supported",
                         "use more heads");
    check_positions(config);
    score_scale_ = 1 / std::sqrt(static_cast<double>(head_columns())) * long_context_factor(config);
  }

  /// Scores that YaRN stretched are as sharp as before by a factor of its own.
  static double long_context_factor(const Config& config) {
    const std::string field = config.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
    if (!config.has(field)) return 1;
    const Config rope = config.object(field);
    const double weight = rope.number("mscale_all_dim", 0, 0, 1e6),
                 factor = rope.number("factor", 1, 0, 1e12);
    const double mscale = factor <= 1 ? 1 : 0.1 * weight * std::log(factor) + 1;
    return weight == 0 ? 1 : mscale * mscale;
  }

  int64_t head_columns() const { return key_columns_ + turned_columns_; }

  /// The last turned_columns_ of each head are turned by the token's position.
  ValueId turn(const Block& block, const std::string& module, const std::string& name, ValueId x,
               int64_t heads) const {
    const int64_t first = block.graph.value(x).type.shape[1] / heads - turned_columns_;
    return block.graph.add({.kind = "rope",
                            .name = module + "." + name,
                            .inputs = {x, block.table},
                            .attributes = {{"heads", heads},
                                           {"inverse", false},
                                           {"interleaved", interleaved_},
                                           {"first_column", first}},
                            .module = module});
  }

  ValueId queries(const Block& block, const std::string& module, ValueId x) const {
    const int64_t wide = heads_ * head_columns();
    if (q_rank_ == 0) return project(block, module, "q_proj", x, wide);
    const ValueId latent = norm(block, module + ".q_a_layernorm",
                                project(block, module, "q_a_proj", x, q_rank_, kNone, bias_), kLatentEpsilon);
    return project(block, module, "q_b_proj", latent, wide);
  }

  ValueId attention(const Block& block, const std::string& module, ValueId x,
                    ValueId residual) const override {
    Graph& graph = block.graph;
    const ValueId q = turn(block, module, "q_rope", queries(block, module, x), heads_);
    const ValueId both =
        project(block, module, "kv_a_proj_with_mqa", x, kv_rank_ + turned_columns_, kNone, bias_);
    const std::vector<ValueId> parts = graph
                                           .op(graph.add_op({.kind = "split_columns",
                                                             .name = module + ".latent",
                                                             .inputs = {both},
                                                             .attributes = {{"columns", kv_rank_}},
                                                             .module = module}))
                                           .outputs;
    const ValueId latent = norm(block, module + ".kv_a_layernorm", parts[0], kLatentEpsilon);
    const ValueId kv = project(block, module, "kv_b_proj", latent, heads_ * (key_columns_ + value_columns_));
    const std::vector<ValueId> heads =
        graph
            .op(graph.add_op({.kind = "latent_heads",
                              .name = module + ".k",
                              .inputs = {kv, turn(block, module, "k_rope", parts[1], 1)},
                              .attributes = {{"heads", heads_},
                                             {"key_columns", key_columns_},
                                             {"value_columns", value_columns_}},
                              .module = module}))
            .outputs;
    const ValueId mixed = graph.add({.kind = "attention",
                                     .name = module + ".attention",
                                     .inputs = {q, heads[0], heads[1], block.cu_seqlens},
                                     .attributes = {{"heads", heads_},
                                                    {"kv_heads", heads_},
                                                    {"causal", true},
                                                    {"scale", score_scale_},
                                                    {"typical_length", block.typical_length}},
                                     .module = module});
    return project(block, module, "o_proj", mixed, hidden_, residual, bias_);
  }

  struct Routes {
    ValueId weights, slots, offsets;
  };

  /// In f32 from the logits on: their last bits decide.
  Routes route(const Block& block, const std::string& module, ValueId x) const {
    Graph& graph = block.graph;
    const ValueId weight = parameter(block, module + ".weight", {experts_, hidden_});
    const ValueId bias = graph.add_source(module + ".e_score_correction_bias", {DType::f32, {experts_}},
                                          Category::parameter, {Initializer::Kind::constant, 0},
                                          {.decays = false, .trained = false, .sign_step = bias_step_});
    const ValueId logits = graph.add({.kind = "linear",
                                      .name = module,
                                      .inputs = {x, weight},
                                      .attributes = {{"f32", true}},
                                      .module = module});
    const std::vector<ValueId> chosen = graph
                                            .op(graph.add_op({.kind = "moe_route",
                                                              .name = module + ".route",
                                                              .inputs = {logits, bias},
                                                              .attributes = {{"top_k", top_k_},
                                                                             {"groups", groups_},
                                                                             {"top_groups", top_groups_},
                                                                             {"function", scores_},
                                                                             {"normalize", normalizes_},
                                                                             {"scale", routed_scale_}},
                                                              .module = module}))
                                            .outputs;
    const std::vector<ValueId> plan = graph
                                          .op(graph.add_op({.kind = "moe_plan",
                                                            .name = module + ".plan",
                                                            .inputs = {chosen[1]},
                                                            .attributes = {{"experts", experts_}},
                                                            .module = module}))
                                          .outputs;
    return {chosen[0], plan[0], plan[1]};
  }

  ValueId grouped(const Block& block, const std::string& module, const std::string& name, ValueId x,
                  int64_t out, const Routes& routes, bool combine, ValueId residual = kNone) const {
    const int64_t in = block.graph.value(x).type.shape[1];
    const ValueId weight = parameter(block, module + ".*." + name + ".weight", {experts_, out, in});
    return block.graph.add({.kind = "grouped_linear",
                            .name = module + "." + name,
                            .inputs = {x, weight, routes.slots, routes.offsets, residual},
                            .attributes = {{"top_k", top_k_}, {"combine", combine}},
                            .module = module + "." + name});
  }

  ValueId mixture(const Block& block, const std::string& module, ValueId x, ValueId residual) const {
    const std::string experts = module + ".experts";
    const Routes routes = route(block, module + ".gate", x);
    const ValueId gate = grouped(block, experts, "gate_proj", x, expert_columns_, routes, false);
    const ValueId up = grouped(block, experts, "up_proj", x, expert_columns_, routes, false);
    const ValueId product = block.graph.add({.kind = "weighted_swiglu",
                                             .name = experts + ".swiglu",
                                             .inputs = {gate, up, routes.weights, routes.slots},
                                             .module = experts});
    if (shared_experts_ > 0)
      residual = mlp(block, module + ".shared_experts", x, shared_experts_ * expert_columns_, residual);
    return grouped(block, experts, "down_proj", product, hidden_, routes, true, residual);
  }

  ValueId feed_forward(const Block& block, int64_t layer, const std::string& module, ValueId x,
                       ValueId residual) const override {
    return layer < dense_layers_ ? mlp(block, module, x, intermediate_, residual)
                                 : mixture(block, module, x, residual);
  }

  int64_t intermediate_, expert_columns_, dense_layers_, heads_;
  int64_t q_rank_;  ///< 0: queries are not made of a latent vector
  int64_t kv_rank_;
  int64_t key_columns_;  ///< of a head's keys, those without position
  int64_t value_columns_;
  int64_t experts_, shared_experts_, top_k_, groups_, top_groups_;
  double routed_scale_;
  double bias_step_;  ///< of each expert's bias after a step, towards being chosen as often as the others
  std::string scores_;
  bool bias_;  ///< of projections to and from the latent vectors, and of the last
  bool normalizes_, interleaved_;
  double score_scale_ = 1;
};

}  // namespace

std::unique_ptr<Model> make_deepseek_v3(const Config& config) {
  return std::make_unique<DeepseekV3>(config);
}

}  // namespace tidemark
