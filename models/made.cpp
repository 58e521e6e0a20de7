// MADE (Germain et al., arXiv 1502.03509).
#include <algorithm>
#include <numeric>

#include "models/architectures.h"
#include "models/density_model.h"
#include "models/random_state.h"

namespace tidemark {
namespace {

/// Layers as pytorch-made numbers and masks them: net.0, net.2, …, with an activation between.
class Made final : public DensityModel {
 public:
  explicit Made(const Config& config)
      : DensityModel("made", config),
        hidden_(config.integers("hidden_sizes", 1, kLargestDensityLayer)),
        function_(config.choice("activation", {"relu", "sigmoid", "tanh"}, "relu")),
        direct_(config.flag("direct_connection", false)),
        natural_(config.flag("natural_ordering", false)) {
    if (pixels_ < 2) throw config.error("input_dim", "one pixel depends on no others", "give 2 or more");
    if (config.has("mask_seeds")) {
      for (const int64_t seed : config.integers("mask_seeds", 0, UINT32_MAX))
        seeds_.push_back(static_cast<uint32_t>(seed));
    } else {
      seeds_.resize(static_cast<size_t>(config.positive("num_masks", 1)));
      std::iota(seeds_.begin(), seeds_.end(), 0);
    }
    check_connected(config);
  }

  int64_t ensemble_size() const override { return static_cast<int64_t>(seeds_.size()); }

  void fill_constants(int64_t draw, const IntegerInputs& inputs) const override {
    draw_degrees(draw, [&](size_t layer) { return inputs.at(degrees_name(layer)); });
  }

  std::vector<int32_t> pixel_order(int64_t draw) const override {
    std::vector<int32_t> degrees(static_cast<size_t>(pixels_)), order(degrees.size());
    RandomState random = state(draw);
    draw_pixels(random, degrees);
    for (size_t pixel = 0; pixel < degrees.size(); ++pixel)
      order[static_cast<size_t>(degrees[pixel])] = static_cast<int32_t>(pixel);
    return order;
  }

 private:
  RandomState state(int64_t draw) const {
    return RandomState(seeds_[static_cast<size_t>(draw % ensemble_size())]);
  }
  void draw_pixels(RandomState& random, std::span<int32_t> degrees) const {
    if (natural_)
      std::iota(degrees.begin(), degrees.end(), 0);
    else
      random.permutation(degrees);
  }

  /// Degrees of the pixels, their places in an order; then of each hidden unit the number of the last pixel
  /// that it may see, no less than that of any unit before it. place(layer) is where they go. Returns the
  /// smallest of the last layer.
  template <typename Place>
  int32_t draw_degrees(int64_t draw, Place&& place) const {
    RandomState random = state(draw);
    draw_pixels(random, place(0));
    int32_t least = 0;
    for (size_t layer = 1; layer <= hidden_.size(); ++layer) {
      const std::span<int32_t> units = place(layer);
      random.integers(least, static_cast<int32_t>(pixels_) - 1, units);
      least = *std::min_element(units.begin(), units.end());
    }
    return least;
  }

  /// Throws Error where a pixel that has others before it sees none of them under any mask: no hidden unit
  /// that it may look at was drawn.
  void check_connected(const Config& config) const {
    if (direct_) return;
    std::vector<std::vector<int32_t>> degrees = {std::vector<int32_t>(static_cast<size_t>(pixels_))};
    for (const int64_t units : hidden_) degrees.emplace_back(static_cast<size_t>(units));
    enum : char { nothing_before, blind, seeing };
    std::vector<char> sight(degrees[0].size(), nothing_before);
    for (int64_t draw = 0; draw < ensemble_size(); ++draw) {
      const int32_t least = draw_degrees(draw, [&](size_t layer) { return std::span(degrees[layer]); });
      for (size_t pixel = 0; pixel < sight.size(); ++pixel)
        sight[pixel] = std::max<char>(sight[pixel], degrees[0][pixel] > least ? seeing
                                                    : degrees[0][pixel] > 0   ? blind
                                                                              : nothing_before);
      if (std::count(sight.begin(), sight.end(), seeing) >= pixels_ - (natural_ ? 1 : 0)) return;
    }
    const auto found = std::find(sight.begin(), sight.end(), blind);
    if (found != sight.end())
      throw config.error("hidden_sizes",
                         "pixel " + std::to_string(found - sight.begin()) +
                             " sees none of those before it, " + "whichever of the " +
                             std::to_string(ensemble_size()) + " masks is taken",
                         "give more hidden units, more masks, or direct_connection");
  }

  static std::string degrees_name(size_t layer) { return "degrees." + std::to_string(layer); }

  struct Layer {
    std::string name;
    ValueId x;
    int64_t inputs, outputs;
    ValueId in_degrees, out_degrees;
    bool strict;
  };

  static ValueId masked(const Parts& parts, const Layer& layer, bool bias, ValueId residual) {
    const int64_t fan_in = layer.inputs;
    const ValueId weight = parameter(parts, layer.name + ".weight", {layer.outputs, layer.inputs}, fan_in);
    const ValueId b = bias ? parameter(parts, layer.name + ".bias", {layer.outputs}, fan_in) : kNone;
    return parts.graph.add({.kind = "masked_linear",
                            .name = layer.name,
                            .inputs = {layer.x, weight, layer.in_degrees, layer.out_degrees, b, residual},
                            .attributes = {{"strict", layer.strict}},
                            .module = layer.name});
  }

  ValueId logits(const Parts& parts) const override {
    const ValueId pixels = integers(parts, degrees_name(0), pixels_);
    Layer layer{"", parts.x, pixels_, 0, pixels, kNone, false};
    for (size_t i = 0; i < hidden_.size(); ++i) {
      layer.name = "net." + std::to_string(2 * i);
      layer.outputs = hidden_[i];
      layer.out_degrees = integers(parts, degrees_name(i + 1), hidden_[i]);
      const ValueId sum = masked(parts, layer, true, kNone);
      const std::string name = "net." + std::to_string(2 * i + 1);
      layer.x = parts.graph.add({.kind = "activation",
                                 .name = name,
                                 .inputs = {sum},
                                 .attributes = {{"function", function_}},
                                 .module = name});
      layer.inputs = layer.outputs;
      layer.in_degrees = layer.out_degrees;
    }
    layer.name = "net." + std::to_string(2 * hidden_.size());
    layer.outputs = pixels_;
    layer.out_degrees = pixels;
    layer.strict = true;
    ValueId direct = kNone;
    if (direct_)
      direct = masked(parts, {"direct", parts.x, pixels_, pixels_, pixels, pixels, true}, false, kNone);
    return masked(parts, layer, true, direct);
  }

  std::vector<int64_t> hidden_;
  std::string function_;
  bool direct_, natural_;
  std::vector<uint32_t> seeds_;
};

}  // namespace

std::unique_ptr<Model> make_made(const Config& config) {
  return std::make_unique<Made>(config);
}

}  // namespace tidemark
