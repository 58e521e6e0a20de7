// FVSBN: fully visible sigmoid belief networks (Neal 1992; Frey 1998), a logistic regression of each pixel
// on those before it.
#include "models/architectures.h"
#include "models/density_model.h"

namespace tidemark {
namespace {

class Fvsbn final : public DensityModel {
 public:
  explicit Fvsbn(const Config& config) : DensityModel("fvsbn", config), order_(read_order(config, pixels_)) {}

  int64_t free_parameter_count() const override {
    return parameter_count() - pixels_ * (pixels_ + 1) / 2;  // what the mask leaves of the weight
  }
  void fill_constants(int64_t, const IntegerInputs& inputs) const override {
    const std::span<int32_t> positions = inputs.at("positions");
    for (size_t k = 0; k < order_.size(); ++k)
      positions[static_cast<size_t>(order_[k])] = static_cast<int32_t>(k);
  }
  std::vector<int32_t> pixel_order(int64_t) const override { return order_; }

 private:
  ValueId logits(const Parts& parts) const override {
    const ValueId positions = integers(parts, "positions", pixels_);
    const ValueId weight = parameter(parts, "weight", {pixels_, pixels_}, 0);
    const ValueId bias = parameter(parts, "bias", {pixels_}, 0);
    return parts.graph.add({.kind = "masked_linear",
                            .name = "logits",
                            .inputs = {parts.x, weight, positions, positions, bias},
                            .attributes = {{"strict", true}},
                            .module = "fvsbn"});
  }

  std::vector<int32_t> order_;
};

}  // namespace

std::unique_ptr<Model> make_fvsbn(const Config& config) {
  return std::make_unique<Fvsbn>(config);
}

}  // namespace tidemark
