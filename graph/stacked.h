// Parameters that the graph has as one and that are published as several: a star in a name stands for the
// index of the first dimension, as of the experts of a layer.
#pragma once

#include <string>
#include <vector>

#include "graph/types.h"

namespace tidemark {

struct PublishedTensor {
  std::string name;
  TensorType type;
  int64_t offset = 0;  ///< in bytes, from where the graph's value begins
};

/// What a value of this name is published as: itself, but for a stacked one.
std::vector<PublishedTensor> published_tensors(const std::string& name, const TensorType& type);

}  // namespace tidemark
