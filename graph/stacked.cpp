#include "graph/stacked.h"

namespace tidemark {

std::vector<PublishedTensor> published_tensors(const std::string& name, const TensorType& type) {
  const size_t star = name.find('*');
  if (star == std::string::npos) return {{name, type}};
  TensorType part{type.dtype, {}};
  for (int axis = 1; axis < type.shape.rank(); ++axis) part.shape.append(type.shape[axis]);
  std::vector<PublishedTensor> tensors;
  for (int64_t i = 0; i < type.shape[0]; ++i)
    tensors.push_back({std::string(name).replace(star, 1, std::to_string(i)), part, i * part.bytes()});
  return tensors;
}

}  // namespace tidemark
