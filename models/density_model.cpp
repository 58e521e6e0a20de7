#include "models/density_model.h"

#include <algorithm>
#include <numeric>

#include "models/random_state.h"

namespace tidemark {

DensityModel::DensityModel(const std::string& family, const Config& config) : Model(family, config.value()) {
  pixels_ = config.positive("input_dim", {}, kLargestDensityLayer);
}

ValueId DensityModel::integers(const Parts& parts, const std::string& name, int64_t n) {
  return parts.graph.add_source(name, {DType::i32, {n}}, Category::input);
}

ValueId DensityModel::parameter(const Parts& parts, const std::string& name, Shape shape, int64_t fan_in) {
  Initializer init{Initializer::Kind::constant, 0};
  if (fan_in > 0) init = {Initializer::Kind::uniform, 1 / std::sqrt(static_cast<double>(fan_in))};
  return parts.graph.add_source(name, {parts.dtype, shape}, Category::parameter, init);
}

void DensityModel::add_ops(Graph& graph, const BatchSpec& batch) const {
  Parts parts{graph, batch.dtype, kNone};
  parts.x = graph.add_source("x", {batch.dtype, {batch.sequences, pixels_}}, Category::input);
  graph.mark_output(graph.add({.kind = "binary_cross_entropy",
                               .name = "loss",
                               .inputs = {logits(parts), parts.x},
                               .module = "loss"}));
}

std::vector<int32_t> read_order(const Config& config, int64_t pixels) {
  std::vector<int32_t> order(static_cast<size_t>(pixels));
  std::iota(order.begin(), order.end(), 0);
  if (config.has("order")) {
    const std::vector<int64_t> list = config.integers("order", 0, pixels - 1);
    std::vector<int32_t> given(list.begin(), list.end()), sorted = given;
    std::sort(sorted.begin(), sorted.end());
    if (sorted != order)
      throw config.error("order", "not a permutation of the pixels",
                         "list each of 0 to " + std::to_string(pixels - 1) + " once");
    return given;
  }
  const std::string kind = config.choice("ordering", {"raster", "fixed random permutation"}, "raster");
  if (kind != "raster")
    RandomState(static_cast<uint32_t>(config.integer("order_seed", 0, 0, UINT32_MAX))).permutation(order);
  return order;
}

}  // namespace tidemark
