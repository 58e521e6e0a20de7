// Sums down the columns of a matrix.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark {

class ThreadPool;

namespace ops {

/// y[j] = start[j] + the sum of x[i * ld + j] over the rows i, in f32 whatever the storage.
struct ColumnSum {
  int64_t rows = 0;
  const void* x = nullptr;
  int64_t ld = 0;
  bool x_bf16 = false;
  const void* start = nullptr;  ///< null: zero; may be y
  void* y = nullptr;
  bool y_bf16 = false;  ///< of start, too
};

void column_sum(const ColumnSum& sum, int64_t columns, ThreadPool* pool);

TIDEMARK_SIMD_DECLARE(void column_sum_range(const ColumnSum& sum, int64_t begin, int64_t end);)

}  // namespace ops
}  // namespace tidemark
