// What the autoregressive models of binary images share: p(x) is the product of p(x_o | pixels before o) over
// the pixels o in an order.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "models/config.h"
#include "models/model.h"

namespace tidemark {

inline constexpr int64_t kLargestDensityLayer = 1 << 20;

/// Images in, -log p in nats out. Reads `input_dim`.
class DensityModel : public Model {
 protected:
  DensityModel(const std::string& family, const Config& config);

  struct Parts {  // of the graph under construction
    Graph& graph;
    DType dtype;
    ValueId x;  ///< [images, pixels]
  };
  /// One number per pixel of `x`, of which the sigmoid is p(pixel = 1 | those before it).
  virtual ValueId logits(const Parts& parts) const = 0;

  static ValueId integers(const Parts& parts, const std::string& name, int64_t n);
  /// Starts uniform within 1/sqrt(fan_in), or where that is 0 at zero.
  static ValueId parameter(const Parts& parts, const std::string& name, Shape shape, int64_t fan_in);

 private:
  void add_ops(Graph& graph, const BatchSpec& batch) const final;
};

/// `order` lists the pixels; without it `ordering` is raster, or a permutation drawn from `order_seed`.
std::vector<int32_t> read_order(const Config& config, int64_t pixels);

}  // namespace tidemark
