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

}  // namespace tidemark::ops
