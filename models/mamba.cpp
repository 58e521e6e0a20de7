// Mamba (Gu & Dao, arXiv 2312.00752) and Mamba-2 (Dao & Gu, arXiv 2405.21060), as transformers builds
// them: a stack of RMSNorm, input projection, causal convolution, state-space scan and output projection on
// a residual stream that may stay in f32 where all else is bf16.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "graph/cpu_workspace.h"
#include "graph/state_space_workspace.h"
#include "models/architectures.h"

namespace tidemark {
namespace {

constexpr int64_t kWidestConvolution = 16;  // of the op
constexpr int64_t kMostStates = 1 << 12;

/// What both generations share; `mix` is what differs.
class MambaModel : public Model {
 protected:
  MambaModel(const std::string& family, const Config& config, bool tied)
      : Model(family, config.value()),
        hidden_(config.positive("hidden_size")),
        layers_(config.positive("num_hidden_layers", {}, 1 << 12)),
        conv_width_(config.positive("conv_kernel", 4, kWidestConvolution)),
        epsilon_(config.number("layer_norm_epsilon", 1e-5, 0, 1)),
        initializer_range_(config.number("initializer_range", 0.1, 0, 1e3)),
        time_step_max_(config.number("time_step_max", 0.1, 1e-12, 1e6)),
        time_step_min_(std::max(config.number("time_step_min", 0.001, 1e-12, time_step_max_),
                                config.number("time_step_floor", 1e-4, 0, time_step_max_))),
        bias_(config.flag("use_bias", false)),
        conv_bias_(config.flag("use_conv_bias", true)),
        f32_residual_(config.flag("residual_in_fp32", true)),
        rescale_(config.flag("rescale_prenorm_residual", false)),
        tied_(config.flag("tie_word_embeddings", tied)) {
    vocabulary_ = config.positive("vocab_size", {}, 1 << 24);
    config.choice("hidden_act", {"silu", "swish"}, "silu");
    inner_ = std::llround(config.number("expand", 2, 0, 1 << 10) * static_cast<double>(hidden_));
    if (inner_ < 1) throw config.error("expand", "leaves no columns", "give a larger number, usually 2");
    if (config.positive("intermediate_size", inner_) != inner_)
      throw config.error("intermediate_size",
                         "is " + std::to_string(config.positive("intermediate_size")) +
                             ", expand * hidden_size is " + std::to_string(inner_),
                         "make them agree or leave it out");
  }

  struct Block {  // what all layers share
    Graph& graph;
    DType dtype;
    ValueId cu_seqlens;
  };

  ValueId parameter(const Block& block, const std::string& name, Shape shape, Initializer init) const {
    return block.graph.add_source(name, {block.dtype, shape}, Category::parameter, init);
  }
  /// Of the recurrence: in f32 whatever the rest is in, since its effect grows over the sequence.
  ValueId recurrence_parameter(const Block& block, const std::string& name, Shape shape, Initializer init,
                               bool decays) const {
    return block.graph.add_source(name, {DType::f32, shape}, Category::parameter, init, {.decays = decays});
  }

  Initializer normal() const { return {Initializer::Kind::normal, initializer_range_}; }
  Initializer constant(double value) const { return {Initializer::Kind::constant, value}; }
  Initializer time_steps() const { return {Initializer::Kind::time_step, time_step_max_, time_step_min_}; }

  /// y = x W^T + b (+ residual), of "PATH".
  ValueId project(const Block& block, const std::string& path, ValueId x, int64_t in, int64_t out, bool bias,
                  Initializer init, ValueId residual = kNone) const {
    const ValueId weight = parameter(block, path + ".weight", {out, in}, init);
    const ValueId b = bias ? parameter(block, path + ".bias", {out}, constant(0)) : kNone;
    return block.graph.add(
        {.kind = "linear", .name = path, .inputs = {x, weight, b, residual}, .module = path});
  }

  /// Of the columns of x from `first` on.
  ValueId convolve(const Block& block, const std::string& path, ValueId x, int64_t first,
                   int64_t channels) const {
    const Initializer init{Initializer::Kind::uniform, 1 / std::sqrt(static_cast<double>(conv_width_))};
    const ValueId weight = parameter(block, path + ".weight", {channels, 1, conv_width_}, init);
    const ValueId bias = conv_bias_ ? parameter(block, path + ".bias", {channels}, constant(0)) : kNone;
    return block.graph.add({.kind = "causal_conv1d",
                            .name = path,
                            .inputs = {x, weight, bias, block.cu_seqlens},
                            .attributes = {{"first_column", first}},
                            .module = path});
  }

  int64_t hidden_, layers_, inner_ = 0, conv_width_;
  double epsilon_, initializer_range_, time_step_max_, time_step_min_;

 private:
  virtual int64_t projected_columns() const = 0;
  /// From the input projection to what the output projection takes.
  virtual ValueId mix(const Block& block, const std::string& module, ValueId projected) const = 0;

  ValueId convert(const Block& block, const std::string& name, ValueId x, DType dtype) const {
    if (block.graph.value(x).type.dtype == dtype) return x;
    return block.graph.add({.kind = "convert",
                            .name = name,
                            .inputs = {x},
                            .attributes = {{"dtype", std::string(name_of(dtype))}},
                            .module = name});
  }

  ValueId norm(const Block& block, const std::string& path, ValueId x) const {
    const ValueId weight = parameter(block, path + ".weight", {hidden_}, constant(1));
    return block.graph.add({.kind = "rms_norm",
                            .name = path,
                            .inputs = {convert(block, path + ".input", x, block.dtype), weight},
                            .attributes = {{"epsilon", epsilon_}},
                            .module = path});
  }

  ValueId layer(const Block& block, const std::string& path, ValueId x) const {
    const std::string mixer = path + ".mixer";
    const ValueId projected = project(block, mixer + ".in_proj", norm(block, path + ".norm", x), hidden_,
                                      projected_columns(), bias_, normal());
    const ValueId mixed = mix(block, mixer, projected);
    const double fan_in = static_cast<double>(inner_) * (rescale_ ? static_cast<double>(layers_) : 1);
    const Initializer init{Initializer::Kind::uniform, 1 / std::sqrt(fan_in)};
    const bool fused = block.graph.value(x).type.dtype == block.dtype;
    const ValueId out =
        project(block, mixer + ".out_proj", mixed, inner_, hidden_, bias_, init, fused ? x : kNone);
    if (fused) return out;
    return block.graph.add({.kind = "add", .name = path + ".residual", .inputs = {x, out}, .module = path});
  }

  void add_ops(Graph& graph, const BatchSpec& batch) const override {
    const ValueId ids = add_integers(graph, "input_ids", batch.tokens);
    const ValueId labels = add_integers(graph, "labels", batch.tokens);
    const Block block{graph, batch.dtype, add_integers(graph, "cu_seqlens", batch.sequences + 1)};
    const ValueId embedding =
        parameter(block, "backbone.embeddings.weight", {vocabulary_, hidden_}, normal());
    ValueId x = graph.add({.kind = "embedding",
                           .name = "backbone.embeddings",
                           .inputs = {ids, embedding},
                           .module = "backbone.embeddings"});
    if (f32_residual_) x = convert(block, "backbone.residual", x, DType::f32);
    for (int64_t i = 0; i < layers_; ++i) x = layer(block, "backbone.layers." + std::to_string(i), x);
    x = norm(block, "backbone.norm_f", x);
    const ValueId head =
        tied_ ? embedding : parameter(block, "lm_head.weight", {vocabulary_, hidden_}, normal());
    add_language_model_loss(graph, batch, x, head, labels, "lm_head");
  }

  bool bias_, conv_bias_, f32_residual_, rescale_, tied_;
};

class Mamba final : public MambaModel {
 public:
  explicit Mamba(const Config& config)
      : MambaModel("mamba", config, true),
        states_(config.positive("state_size", 16, kMostStates)),
        rank_((hidden_ + 15) / 16),
        time_step_scale_(config.number("time_step_scale", 1, 0, 1e6)),
        constant_time_steps_(config.choice("time_step_init_scheme", {"random", "constant"}, "random") ==
                             "constant") {
    const auto rank = config.value().find("time_step_rank");
    if (rank == config.value().end() || *rank != "auto") rank_ = config.positive("time_step_rank", rank_);
  }

 private:
  int64_t projected_columns() const override { return 2 * inner_; }

  ValueId mix(const Block& block, const std::string& module, ValueId xz) const override {
    const ValueId u = convolve(block, module + ".conv1d", xz, 0, inner_);
    const ValueId selection =
        project(block, module + ".x_proj", u, inner_, rank_ + 2 * states_, false, normal());
    const Op& parts = block.graph.op(block.graph.add_op({.kind = "split_columns",
                                                         .name = module + ".selection",
                                                         .inputs = {selection},
                                                         .attributes = {{"columns", rank_}},
                                                         .module = module}));
    const ValueId low_rank = parts.outputs[0], bc = parts.outputs[1];
    const double spread = time_step_scale_ / std::sqrt(static_cast<double>(rank_));
    const ValueId dt =
        project(block, module + ".dt_proj", low_rank, rank_, inner_, false,
                constant_time_steps_ ? constant(spread) : Initializer{Initializer::Kind::uniform, spread});
    const ValueId dt_bias =
        recurrence_parameter(block, module + ".dt_proj.bias", {inner_}, time_steps(), true);
    const ValueId a_log = recurrence_parameter(block, module + ".A_log", {inner_, states_},
                                               {Initializer::Kind::log_index}, false);
    const ValueId d = recurrence_parameter(block, module + ".D", {inner_}, constant(1), false);
    return block.graph.add({.kind = "selective_scan",
                            .name = module + ".scan",
                            .inputs = {u, dt, bc, xz, a_log, d, dt_bias, block.cu_seqlens},
                            .attributes = {{"chunk_rows", cpu::kScanChunkRows}, {"first_column", inner_}},
                            .module = module});
  }

  int64_t states_, rank_;
  double time_step_scale_;
  bool constant_time_steps_;
};

/// A number, or infinity in one of the ways that Python programs write it.
double limit_of(const Config& config, const nlohmann::json& value) {
  const nlohmann::json& plain = value.is_object() && value.contains("__float__") ? value["__float__"] : value;
  if (plain == "Infinity") return std::numeric_limits<double>::infinity();
  if (!plain.is_number())
    throw config.error("time_step_limit", value.dump() + " is not a number", "give two numbers");
  return plain.get<double>();
}

class Mamba2 final : public MambaModel {
 public:
  explicit Mamba2(const Config& config)
      : MambaModel("mamba2", config, false),
        states_(config.positive("state_size", 128, kMostStates)),
        head_columns_(config.positive("head_dim", 64)),
        heads_(config.positive("num_heads", std::max<int64_t>(inner_ / head_columns_, 1))),
        groups_(config.positive("n_groups", 8)),
        chunk_rows_(config.positive("chunk_size", 256)) {
    if (heads_ * head_columns_ != inner_)
      throw config.error("num_heads",
                         std::to_string(heads_) + " heads of head_dim " + std::to_string(head_columns_) +
                             " are not expand * hidden_size = " + std::to_string(inner_) + " columns",
                         "make them agree");
    if (heads_ % groups_ != 0)
      throw config.error("n_groups",
                         std::to_string(groups_) + " does not divide num_heads " + std::to_string(heads_),
                         "give a divisor");
    if (config.flag("norm_before_gate", false))
      throw config.error("norm_before_gate", "a norm before the gate is not supported", "set it to false");
    if (!config.has("time_step_limit")) return;
    const nlohmann::json& limits = config.value()["time_step_limit"];
    if (!limits.is_array() || limits.size() != 2)
      throw config.error("time_step_limit", "not a list of two numbers", "give [0.0, Infinity] for no limit");
    dt_min_ = limit_of(config, limits[0]);
    dt_max_ = limit_of(config, limits[1]);
    if (!(dt_min_ <= dt_max_) || !std::isfinite(dt_min_))
      throw config.error("time_step_limit", limits.dump() + " is not a range", "give the smaller one first");
  }

 private:
  /// z, then x, B and C, then dt.
  int64_t projected_columns() const override { return inner_ + convolved_columns() + heads_; }
  int64_t convolved_columns() const { return inner_ + 2 * groups_ * states_; }

  ValueId mix(const Block& block, const std::string& module, ValueId projected) const override {
    const ValueId xbc = convolve(block, module + ".conv1d", projected, inner_, convolved_columns());
    const ValueId dt_bias = recurrence_parameter(block, module + ".dt_bias", {heads_}, time_steps(), false);
    const ValueId a_log =
        recurrence_parameter(block, module + ".A_log", {heads_}, {Initializer::Kind::log_index}, false);
    const ValueId d = recurrence_parameter(block, module + ".D", {heads_}, constant(1), false);
    Attributes attributes = {{"heads", heads_},   {"groups", groups_},
                             {"states", states_}, {"chunk_rows", chunk_rows_},
                             {"dt_min", dt_min_}, {"first_column", inner_ + convolved_columns()}};
    if (std::isfinite(dt_max_)) attributes.set("dt_max", dt_max_);
    const ValueId y = block.graph.add({.kind = "ssd_scan",
                                       .name = module + ".scan",
                                       .inputs = {xbc, projected, a_log, d, dt_bias, block.cu_seqlens},
                                       .attributes = std::move(attributes),
                                       .module = module});
    const ValueId weight = parameter(block, module + ".norm.weight", {inner_}, constant(1));
    return block.graph.add(
        {.kind = "gated_rms_norm",
         .name = module + ".norm",
         .inputs = {y, projected, weight},
         .attributes = {{"epsilon", epsilon_}, {"groups", groups_}, {"first_column", int64_t{0}}},
         .module = module + ".norm"});
  }

  int64_t states_, head_columns_, heads_, groups_, chunk_rows_;
  double dt_min_ = 0, dt_max_ = std::numeric_limits<double>::infinity();
};

}  // namespace

std::unique_ptr<Model> make_mamba(const Config& config) {
  return std::make_unique<Mamba>(config);
}

std::unique_ptr<Model> make_mamba2(const Config& config) {
  return std::make_unique<Mamba2>(config);
}

}  // namespace tidemark
