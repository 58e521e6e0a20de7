// S4 (Gu et al., arXiv 2111.00396) and S4D (Gu, Gupta et al., arXiv 2206.11893), as the models of the
// state-spaces repository stack them: a convolution with the kernel of a state-space model per channel, skip,
// GELU, a gated linear layer, residual and layer norm.
#include <cmath>
#include <numbers>

#include "models/architectures.h"
#include "models/hippo.h"
#include "models/sequence_model.h"

namespace tidemark {
namespace {

constexpr int64_t kMostStates = 256;                  // whose eigenvalues are found within a second
constexpr int64_t kLongestKernel = int64_t{1} << 22;  // of the op
/// Where HiPPO's eigenvalues have no real part.
constexpr double kLeastRate = 1e-4;

class S4 final : public SequenceModel {
 public:
  explicit S4(const Config& config)
      : SequenceModel(config.text("model_type"), config, false),
        states_(config.positive("d_state", 64, kMostStates)),
        dt_max_(config.number("dt_max", 0.1, 1e-12, 1e6)),
        dt_min_(config.number("dt_min", 0.001, 1e-12, dt_max_)),
        low_rank_(family() == "s4"),
        init_(low_rank_ ? config.choice("init", {"legs", "lagt"}, "legs")
                        : config.choice("init", {"s4d-lin", "s4d-inv", "s4d-legs"}, "s4d-lin")),
        discretization_(low_rank_ ? config.choice("discretization", {"bilinear"}, "bilinear")
                                  : config.choice("discretization", {"zoh", "bilinear"}, "zoh")) {
    if (states_ % 2 != 0)
      throw config.error("d_state", std::to_string(states_) + " is odd, states come in conjugate pairs",
                         "give an even number");
    set_spectrum();
  }

 private:
  /// As torch.nn.Linear.
  Initializer weight_init(int64_t inputs) const override {
    return {Initializer::Kind::uniform, 1 / std::sqrt(static_cast<double>(inputs))};
  }
  Initializer bias_init(int64_t inputs) const override { return weight_init(inputs); }

  static Initializer table(std::vector<double> values) {
    return {.kind = Initializer::Kind::table, .values = std::move(values)};
  }
  static Initializer table(const std::vector<std::complex<double>>& values) {
    std::vector<double> parts;
    for (const std::complex<double>& z : values) parts.insert(parts.end(), {z.real(), z.imag()});
    return table(std::move(parts));
  }

  /// How the imaginary parts of A's eigenvalues start, and for S4 B and P.
  void set_spectrum() {
    const int64_t pairs = states_ / 2;
    if (init_ == "s4d-lin") {
      frequencies_ = {Initializer::Kind::index, std::numbers::pi};
    } else if (init_ == "s4d-inv") {
      std::vector<double> values;
      const auto n = static_cast<double>(states_);
      for (int64_t k = 0; k < pairs; ++k)
        values.push_back(n / std::numbers::pi * (n / (2 * static_cast<double>(k) + 1) - 1));
      frequencies_ = table(std::move(values));
    } else {
      const NormalPlusLowRank system =
          hippo_nplr(low_rank_ ? hippo_measure(init_, "init") : HippoMeasure::legs, states_);
      std::vector<double> values;
      for (const std::complex<double>& a : system.a) values.push_back(a.imag());
      frequencies_ = table(std::move(values));
      b_ = table(system.b);
      p_ = table(system.p);
      rate_ = std::max(-system.a[0].real(), kLeastRate);
    }
  }

  ValueId norm(const Block& block, int64_t layer, ValueId x) const override {
    const std::string name = "norms." + std::to_string(layer);
    const ValueId weight = parameter(block, name + ".weight", {d_model_}, {Initializer::Kind::constant, 1});
    const ValueId bias = parameter(block, name + ".bias", {d_model_}, {Initializer::Kind::constant, 0});
    return block.graph.add({.kind = "layer_norm",
                            .name = name,
                            .inputs = {x, weight, bias},
                            .attributes = {{"epsilon", 1e-5}, {"groups", int64_t{1}}},
                            .module = name});
  }

  ValueId kernel(const Block& block, const std::string& module) const {
    const int64_t pairs = states_ / 2;
    const auto own = [&](const std::string& name, Shape shape, const Initializer& init) {
      return recurrence_parameter(block, module + "." + name, shape, init);
    };
    const ValueId log_dt = own("log_dt", {d_model_}, {Initializer::Kind::log_time_step, dt_max_, dt_min_});
    const ValueId a_real = own(low_rank_ ? "inv_A_real" : "log_A_real", {d_model_, pairs},
                               {Initializer::Kind::constant, std::log(rate_)});
    const ValueId a_imag = own("A_imag", {d_model_, pairs}, frequencies_);
    const ValueId c = own("C", {d_model_, pairs, 2}, {Initializer::Kind::normal, std::sqrt(0.5)});
    const ValueId b = low_rank_ ? own("B", {d_model_, pairs, 2}, b_) : kNone;
    const ValueId p = low_rank_ ? own("P", {d_model_, pairs, 2}, p_) : kNone;
    return block.graph.add({.kind = "ssm_kernel",
                            .name = module,
                            .inputs = {log_dt, a_real, a_imag, c, b, p},
                            .attributes = {{"length", block.max_length}, {"discretization", discretization_}},
                            .module = module});
  }

  ValueId mix(const Block& block, int64_t layer, ValueId u) const override {
    if (block.max_length > kLongestKernel)
      throw Error("cannot build", "sequences of " + std::to_string(block.max_length) + " steps",
                  "the convolution takes at most " + std::to_string(kLongestKernel),
                  "use a smaller --length");
    Graph& graph = block.graph;
    const std::string module = "s4_layers." + std::to_string(layer);
    const ValueId k = kernel(block, module + ".kernel");
    const ValueId convolved = graph.add({.kind = "long_convolution",
                                         .name = module + ".convolution",
                                         .inputs = {u, k, block.cu_seqlens},
                                         .module = module});
    const ValueId d = recurrence_parameter(block, module + ".D", {d_model_}, {Initializer::Kind::normal, 1});
    ValueId y = graph.add({.kind = "skip_gelu",
                           .name = module + ".gelu",
                           .inputs = {convolved, u, d},
                           .attributes = {{"tanh", false}},
                           .module = module});
    y = drop(block, module + ".drop", y, 2 * layer + 1);
    const std::string linear = module + ".output_linear.0";
    const ValueId weight =
        parameter(block, linear + ".weight", {2 * d_model_, d_model_, 1}, weight_init(d_model_));
    const ValueId bias = parameter(block, linear + ".bias", {2 * d_model_}, bias_init(d_model_));
    const ValueId both =
        graph.add({.kind = "linear", .name = linear, .inputs = {y, weight, bias}, .module = module});
    const Op& halves = graph.op(graph.add_op({.kind = "split_columns",
                                              .name = module + ".halves",
                                              .inputs = {both},
                                              .attributes = {{"columns", d_model_}},
                                              .module = module}));
    const ValueId value = halves.outputs[0], open = halves.outputs[1];
    return gate(block, module + ".gate", value, open);
  }

  int64_t states_;
  double dt_max_, dt_min_;
  bool low_rank_;  ///< S4, otherwise S4D
  std::string init_, discretization_;
  Initializer frequencies_, b_, p_;
  double rate_ = 0.5;  ///< minus the real parts of A's eigenvalues, at first
};

}  // namespace

std::unique_ptr<Model> make_s4(const Config& config) {
  return std::make_unique<S4>(config);
}

}  // namespace tidemark
