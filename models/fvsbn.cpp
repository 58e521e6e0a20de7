// FVSBN: fully visible sigmoid belief networks (Neal 1992; Frey 1998), a logistic regression of each pixel
// on those before it.
#include <algorithm>

#include "models/architectures.h"
#include "models/density_model.h"

namespace tidemark {
namespace {

class Fvsbn final : public DensityModel {
 public:
  explicit Fvsbn(const Config& config) : DensityModel("fvsbn", config) {
    const std::vector<int32_t> order = read_order(config, pixels_);
    positions_.resize(order.size());
    for (size_t k = 0; k < order.size(); ++k)
      positions_[static_cast<size_t>(order[k])] = static_cast<int32_t>(k);
  }

  int64_t free_parameter_count() const override {
    return parameter_count() - pixels_ * (pixels_ + 1) / 2;  // what the mask leaves of the weight
  }
  void fill_constants(int64_t, const IntegerInputs& inputs) const override {
    std::copy(positions_.begin(), positions_.end(), inputs.at("positions").begin());
  }

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

  std::vector<int32_t> positions_;  ///< of each pixel in the order
};

}  // namespace

std::unique_ptr<Model> make_fvsbn(const Config& config) {
  return std::make_unique<Fvsbn>(config);
}

}  // namespace tidemark
