// Sums over rows, column by column.
#pragma once

#include "executor/ops/device_operands.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

inline constexpr int kStripColumns = 32;  // of a block: a cache line of f32
inline constexpr int kStripRows = 8;      // that a block adds at once
inline constexpr int kStripLanes = kStripColumns * kStripRows;

/// totals[column] = the sum over the rows of f(row, column), for `width` columns of a strip; `parts` is
/// scratch of kStripLanes.
template <typename Group, typename F>
TIDEMARK_DEVICE void sum_strip(Group& group, int64_t rows, int64_t width, const F& f, float* parts,
                               float* totals) {
  group.each(kStripLanes, [&](int64_t i) {
    constexpr int64_t kPiece = 128 * kStripRows;  // a long sum would lose what is small against it
    const int64_t column = i % kStripColumns;
    float sum = 0;
    for (int64_t row = i / kStripColumns; column < width && row < rows;) {
      float piece = 0;
      for (const int64_t end = device::smaller(rows, row + kPiece); row < end; row += kStripRows)
        piece += f(row, column);
      sum += piece;
    }
    parts[i] = sum;
  });
  group.each(width, [&](int64_t column) {
    float total = 0;
    for (int64_t i = column; i < kStripLanes; i += kStripColumns) total += parts[i];
    totals[column] = total;
  });
}

/// y[column] = start[column] (where given) + the sum of x's rows, in f32, rounded once.
template <typename X, typename Y, typename Device>
void sum_columns(Device& device, const X* x, int64_t rows, int64_t columns, int64_t ld, const Y* start,
                 Y* y) {
  using Group = typename Device::Group;
  device.launch(
      (columns + kStripColumns - 1) / kStripColumns, kStripLanes, 4 * (kStripLanes + kStripColumns),
      TIDEMARK_BODY(Group & group, int64_t strip) {
        float* const parts = group.template shared<float>();
        float* const totals = parts + kStripLanes;
        const int64_t first = strip * kStripColumns;
        const int64_t width = device::smaller<int64_t>(kStripColumns, columns - first);
        sum_strip(
            group, rows, width,
            [&](int64_t row, int64_t column) { return device::to_float(x[row * ld + first + column]); },
            parts, totals);
        group.each(width, [&](int64_t i) {
          device::store(y + first + i, start ? device::to_float(start[first + i]) + totals[i] : totals[i]);
        });
      });
}

/// y[column] = the sum over the rows of f(row, column), in f32, rounded once: of every so many rows first.
/// `parts`: scratch for cuda::row_parts(rows) rows.
template <typename Y, typename F, typename Device>
void sum_columns_of(Device& device, int64_t rows, int64_t columns, const F& f, float* parts, Y* y) {
  using Group = typename Device::Group;
  const int64_t blocks = cuda::row_parts(rows);
  device.launch(
      blocks, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t block) {
        const int64_t begin = block * cuda::kPartRows;
        const int64_t end = device::smaller(rows, begin + cuda::kPartRows);
        group.each(columns, [&](int64_t i) {
          float sum = 0;
          for (int64_t row = begin; row < end; ++row) sum += f(row, i);
          parts[block * columns + i] = sum;
        });
      });
  sum_columns<float, Y>(device, parts, blocks, columns, columns, nullptr, y);
}

}  // namespace tidemark::ops
