// NADE (Larochelle & Murray 2011).
#include <algorithm>

#include "models/architectures.h"
#include "models/density_model.h"

namespace tidemark {
namespace {

class Nade final : public DensityModel {
 public:
  explicit Nade(const Config& config)
      : DensityModel("nade", config),
        hidden_(config.positive("hidden_size", {}, kLargestDensityLayer)),
        function_(config.choice("activation", {"sigmoid", "relu", "tanh"}, "sigmoid")),
        tied_(config.flag("tied_weights", false)),
        order_(read_order(config, pixels_)) {}

  void fill_constants(int64_t, const IntegerInputs& inputs) const override {
    std::copy(order_.begin(), order_.end(), inputs.at("order").begin());
  }
  std::vector<int32_t> pixel_order(int64_t) const override { return order_; }

 private:
  ValueId logits(const Parts& parts) const override {
    const ValueId order = integers(parts, "order", pixels_);
    const ValueId weight = parameter(parts, "W", {hidden_, pixels_}, pixels_);
    const ValueId output_weight = tied_ ? kNone : parameter(parts, "V", {pixels_, hidden_}, hidden_);
    const ValueId output_bias = parameter(parts, "b", {pixels_}, 0);
    const ValueId hidden_bias = parameter(parts, "c_bias", {hidden_}, 0);
    return parts.graph.add({.kind = "nade",
                            .name = "logits",
                            .inputs = {parts.x, order, weight, hidden_bias, output_bias, output_weight},
                            .attributes = {{"function", function_}},
                            .module = "nade"});
  }

  int64_t hidden_;
  std::string function_;
  bool tied_;
  std::vector<int32_t> order_;
};

}  // namespace

std::unique_ptr<Model> make_nade(const Config& config) {
  return std::make_unique<Nade>(config);
}

}  // namespace tidemark
