// The linear recurrent unit (Orvieto et al., arXiv 2303.06349), as minimal-LRU stacks it: norm, complex
// diagonal recurrence h' = lambda h + exp(gamma_log) B u with y = Re(C h) + D u, GELU, gated linear unit,
// residual.
#include <cmath>

#include "models/architectures.h"
#include "models/sequence_model.h"

namespace tidemark {
namespace {

class Lru final : public SequenceModel {
 public:
  explicit Lru(const Config& config)
      : SequenceModel("lru", config, true),
        states_(config.positive("d_hidden")),
        r_max_(config.number("r_max", 1, 1e-6, 1)),
        r_min_(config.number("r_min", 0, 0, r_max_)),
        max_phase_(config.number("max_phase", 6.28, 1e-6, 6.2832)),
        batch_norm_(config.choice("norm", {"layer", "batch"}, "layer") == "batch") {
    if (r_min_ == r_max_)
      throw config.error("r_min", "is r_max: the ring has no area", "make it smaller than r_max");
  }

 private:
  static std::string path(int64_t layer) { return "layers." + std::to_string(layer); }

  /// As flax initialises a dense layer (LeCun et al. 1998).
  Initializer weight_init(int64_t inputs) const override {
    return {Initializer::Kind::normal, 1 / std::sqrt(static_cast<double>(inputs))};
  }
  Initializer bias_init(int64_t) const override { return {Initializer::Kind::constant, 0}; }

  ValueId norm(const Block& block, int64_t layer, ValueId x) const override {
    const std::string name = path(layer) + ".normalization";
    const ValueId weight = parameter(block, name + ".weight", {d_model_}, {Initializer::Kind::constant, 1});
    const ValueId bias = parameter(block, name + ".bias", {d_model_}, {Initializer::Kind::constant, 0});
    Attributes attributes{{"epsilon", batch_norm_ ? 1e-5 : 1e-6}};  // flax's
    if (!batch_norm_) attributes.set("groups", int64_t{1});
    return block.graph.add({.kind = batch_norm_ ? "batch_norm" : "layer_norm",
                            .name = name,
                            .inputs = {x, weight, bias},
                            .attributes = std::move(attributes),
                            .module = name});
  }

  ValueId mix(const Block& block, int64_t layer, ValueId u) const override {
    const std::string module = path(layer);
    const ValueId y = drop(block, module + ".seq.drop", recur(block, module + ".seq", u), 2 * layer + 1);
    const auto dense = [&](const char* name) {
      return project(block, module + name, y, d_model_, weight_init(d_model_), bias_init(d_model_));
    };
    return gate(block, module + ".gate", dense(".out1"), dense(".out2"));
  }

  ValueId recur(const Block& block, const std::string& module, ValueId u) const {
    Graph& graph = block.graph;
    const auto ring = [&](const char* name, Initializer::Kind kind) {
      return recurrence_parameter(block, module + name, {states_}, {kind, r_max_, r_min_});
    };
    const ValueId nu = ring(".nu_log", Initializer::Kind::log_decay);
    const ValueId theta = recurrence_parameter(block, module + ".theta_log", {states_},
                                               {Initializer::Kind::log_uniform, max_phase_});
    const ValueId gamma = ring(".gamma_log", Initializer::Kind::log_gain);
    const auto part = [&](const std::string& name, int64_t rows, int64_t columns) {
      const double spread =
          1 / std::sqrt(static_cast<double>((name == "B_re" || name == "B_im" ? 2 : 1) * columns));
      return parameter(block, module + "." + name, {rows, columns}, {Initializer::Kind::normal, spread});
    };
    const auto input = [&](const std::string& name) {
      const ValueId weight = graph.add({.kind = "scale_rows",
                                        .name = module + "." + name + ".scaled",
                                        .inputs = {part(name, states_, d_model_), gamma},
                                        .module = module});
      return graph.add({.kind = "linear",
                        .name = module + "." + name + ".input",
                        .inputs = {u, weight},
                        .module = module});
    };
    const ValueId x_re = input("B_re"), x_im = input("B_im");
    const Op& scan = graph.op(graph.add_op({.kind = "diagonal_scan",
                                            .name = module + ".scan",
                                            .inputs = {x_re, x_im, nu, theta, block.cu_seqlens},
                                            .module = module}));
    const ValueId h_re = scan.outputs[0], h_im = scan.outputs[1];
    const auto output = [&](const std::string& name, ValueId h, ValueId residual) {
      return graph.add({.kind = "linear",
                        .name = module + "." + name + ".output",
                        .inputs = {h, part(name, d_model_, states_), kNone, residual},
                        .module = module});
    };
    const ValueId y = output("C_im", h_im, output("C_re", h_re, kNone));
    const ValueId d = recurrence_parameter(block, module + ".D", {d_model_}, {Initializer::Kind::normal, 1});
    return graph.add({.kind = "skip_gelu",
                      .name = module + ".gelu",
                      .inputs = {y, u, d},
                      .attributes = {{"tanh", true}},
                      .module = module});
  }

  int64_t states_;
  double r_max_, r_min_, max_phase_;
  bool batch_norm_;
};

}  // namespace

std::unique_ptr<Model> make_lru(const Config& config) {
  return std::make_unique<Lru>(config);
}

}  // namespace tidemark
