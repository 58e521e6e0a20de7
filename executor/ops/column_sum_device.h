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

/// sum_columns, n columns a lane; columns are whole strips and aligned, or n is 1.
template <int n, typename X, typename Y, typename Device>
void sum_strips(Device& device, const X* x, int64_t rows, int64_t columns, int64_t ld, const Y* start, Y* y) {
  using Group = typename Device::Group;
  constexpr int kAcross = kStripColumns / n, kDown = kStripLanes / kAcross;  // lanes
  constexpr int64_t kPiece = 128 * kDown;  // a long sum would lose what is small against it
  const int64_t depth = device::smaller<int64_t>(kDown, rows);
  device.launch((columns + kStripColumns - 1) / kStripColumns, lanes_for(depth * kAcross),
                4 * depth * kStripColumns, TIDEMARK_BODY(Group & group, int64_t strip) {
                  float* const parts = group.template shared<float>();
                  const int64_t first = strip * kStripColumns;
                  group.each(depth * kAcross, [&](int64_t i) {
                    const device::Span<n> at{i % kAcross * n};
                    const int64_t down = i / kAcross;
                    if (first + at.first >= columns) return;
                    device::Floats<n> sum{};
                    for (int64_t row = down; row < rows;) {
                      device::Floats<n> piece{};
                      for (const int64_t end = device::smaller(rows, row + kPiece); row < end; row += kDown) {
                        const auto values = at.load(x + row * ld + first);
                        piece = at.all([&](int j) { return piece[j] + values[j]; });
                      }
                      sum = at.all([&](int j) { return sum[j] + piece[j]; });
                    }
                    TIDEMARK_UNROLL
                    for (int j = 0; j < n; ++j) parts[down * kStripColumns + at.first + j] = sum[j];
                  });
                  for (int64_t half = kDown / 2; half > 0; half /= 2)
                    if (half < depth)
                      group.each(device::smaller(half, depth - half) * kStripColumns, [&](int64_t i) {
                        if (first + i % kStripColumns < columns) parts[i] += parts[half * kStripColumns + i];
                      });
                  group.each(device::smaller<int64_t>(kStripColumns, columns - first), [&](int64_t i) {
                    device::store(y + first + i,
                                  start ? device::to_float(start[first + i]) + parts[i] : parts[i]);
                  });
                });
}

/// y[column] = start[column] (where given) + the sum of x's rows, in f32, rounded once.
template <typename X, typename Y, typename Device>
void sum_columns(Device& device, const X* x, int64_t rows, int64_t columns, int64_t ld, const Y* start,
                 Y* y) {
  constexpr int kWide = device::kWide<X>;
  columns % kStripColumns == 0 && ld % kWide == 0 && device::is_aligned<kWide>(x)
      ? sum_strips<kWide>(device, x, rows, columns, ld, start, y)
      : sum_strips<1>(device, x, rows, columns, ld, start, y);
}

/// f(part, begin, end, span of the columns) for every part of the rows and every such span.
template <int n, typename F, typename Device>
void each_part(Device& device, int64_t rows, int64_t columns, bool aligned, const F& f) {
  using Group = typename Device::Group;
  constexpr int64_t kLanes = 64;  // few, so that there are blocks for all multiprocessors
  const device::Spans<n> spans(columns, aligned);
  const int64_t across = (spans.size() + kLanes - 1) / kLanes;
  device.launch(
      cuda::row_parts(rows) * across, kLanes, 0, TIDEMARK_BODY(Group & group, int64_t block) {
        const device::Division of = device::split(block, across);
        const int64_t part = of.quotient, first = of.rest * kLanes, begin = part * cuda::kPartRows;
        const int64_t end = device::smaller(rows, begin + cuda::kPartRows);
        group.each(device::smaller(kLanes, spans.size() - first),
                   [&](int64_t i) { spans.visit(first + i, [&](auto at) { f(part, begin, end, at); }); });
      });
}

/// y[column] = the sum over the rows of f(row, span of the columns), in f32, rounded once: of every so many
/// rows first. `parts`: scratch for cuda::row_parts(rows) rows.
template <int n, typename Y, typename F, typename Device>
void sum_columns_of(Device& device, int64_t rows, int64_t columns, bool aligned, const F& f, float* parts,
                    Y* y) {
  each_part<n>(
      device, rows, columns, aligned, TIDEMARK_BODY(int64_t part, int64_t begin, int64_t end, auto at) {
        auto sum = at.all([](int) { return 0.0f; });
        for (int64_t row = begin; row < end; ++row) {
          const auto more = f(row, at);
          sum = at.all([&](int j) { return sum[j] + more[j]; });
        }
        at.store(parts + part * columns, [&](int j) { return sum[j]; });
      });
  sum_columns<float, Y>(device, parts, cuda::row_parts(rows), columns, columns, nullptr, y);
}

}  // namespace tidemark::ops
