// Sums over rows, column by column.
#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

inline constexpr int kSumColumns = 32;  // of a block: a cache line of f32
inline constexpr int kSumLanes = 8;     // that share a column
inline constexpr int kSumPiece = 128;   // rows

/// y[column] = start[column] (where given) + the sum of x's rows, in f32, rounded once.
template <typename X, typename Y, typename Device>
void sum_columns(Device& device, const X* x, int64_t rows, int64_t columns, int64_t ld, const Y* start,
                 Y* y) {
  using Group = typename Device::Group;
  constexpr int64_t kShared = kSumColumns * kSumLanes * static_cast<int64_t>(sizeof(float));
  device.launch((columns + kSumColumns - 1) / kSumColumns, kSumColumns * kSumLanes, kShared,
                TIDEMARK_BODY(Group & group, int64_t strip) {
                  float* const parts = group.template shared<float>();
                  const int64_t first = strip * kSumColumns;
                  const int64_t width = device::smaller<int64_t>(kSumColumns, columns - first);
                  group.each(kSumColumns * kSumLanes, [&](int64_t i) {
                    const int64_t column = i % kSumColumns;
                    const X* const own = x + first + column;
                    float sum = 0;
                    // In pieces, since a long sum would lose what is small against it.
                    for (int64_t row = i / kSumColumns; column < width && row < rows;) {
                      const int64_t end = device::smaller(rows, row + kSumLanes * kSumPiece);
                      float piece = 0;
                      for (; row < end; row += kSumLanes) piece += device::to_float(own[row * ld]);
                      sum += piece;
                    }
                    parts[i] = sum;
                  });
                  group.each(width, [&](int64_t column) {
                    float sum = start ? device::to_float(start[first + column]) : 0.0f;
                    for (int64_t i = column; i < kSumColumns * kSumLanes; i += kSumColumns) sum += parts[i];
                    device::store(y + first + column, sum);
                  });
                });
}

}  // namespace tidemark::ops
