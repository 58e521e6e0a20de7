#include "executor/ops/column_sum.h"

#include "executor/ops/operands.h"

namespace tidemark::ops {

void column_sum(const ColumnSum& sum, int64_t columns, ThreadPool* pool) {
  const auto range = TIDEMARK_SIMD(column_sum_range);
  constexpr int64_t kStrip = 64;
  parallel_ranges(pool, columns, kStrip, [&](int64_t begin, int64_t end) { range(sum, begin, end); });
}

}  // namespace tidemark::ops
