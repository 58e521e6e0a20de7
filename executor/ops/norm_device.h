// What the norms have in common on a device.
#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

/// Rows of neighbouring groups of columns, each normed on its own.
struct NormRows {
  int64_t rows = 0, row_columns = 0, groups = 1;
  int64_t columns() const { return row_columns / groups; }
};

inline NormRows norm_rows(const KernelArgs& args, const TensorType& x) {
  const Attributes& a = args.op.attributes();
  return {x.shape[0], x.shape[1], a.has("groups") ? a.integer("groups") : 1};
}

/// The group that a row's column is of.
TIDEMARK_HOST_DEVICE inline int64_t group_at(int64_t column, int64_t groups, int64_t columns) {
  return groups == 1 ? 0 : device::split(column, columns).quotient;
}
/// Where the weights of the rows' group `index` begin; nullptr has none.
template <typename T>
TIDEMARK_HOST_DEVICE inline const T* group_of(const T* weights, int64_t index, int64_t groups,
                                              int64_t columns) {
  if (!weights || groups == 1) return weights;
  return weights + device::split(index, groups).rest * columns;
}

}  // namespace tidemark::ops
