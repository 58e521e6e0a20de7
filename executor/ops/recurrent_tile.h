// The products of recurrent layers, a tile of columns at a time.
#pragma once

#include "executor/cpu/gemm_micro.h"
#include "executor/cpu/simd_math.h"
#include "executor/ops/recurrent.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

inline constexpr int kPanel = kTileColumns;
/// Rows multiplied and then put through the cell while they are in the first-level cache.
inline constexpr int64_t kTile = 3 * kTileRows;

/// c[rows, kPanel] += a[rows, k] b, one packed panel.
inline void add_product(int64_t rows, int64_t k, const float* a, int64_t lda, const float* b, float* c) {
  constexpr int64_t kBlock = 256;
  for (int64_t p = 0; p < k; p += kBlock)
    multiply<Layout::rows>(rows, kPanel, smaller(kBlock, k - p), a + p, lda, b + p * kPanel, c, kPanel,
                           {c, kPanel});
}

/// Where a cell finds the columns of a row: indices into arrays of `hidden` and of gates * hidden columns.
struct Element {
  int64_t unit, gate;
  int64_t source;  ///< as unit, of the time whose h and c it reads
  bool has_source, linked;
};
inline Element element(const RecurrentLayer& layer, const TimeStep& step, int64_t row, int64_t column) {
  return {(step.row + row) * layer.hidden + column,
          (step.row + row) * gates_of(layer.cell) * layer.hidden + column,
          (step.source_row + row) * layer.hidden + column, row < step.source_rows, row < step.linked};
}

/// fn(row, rows, column, columns) for the tiles of a step's rows and of [begin, end).
template <typename F>
inline void each_tile(const TimeStep& step, int64_t begin, int64_t end, F&& fn) {
  for (int64_t j = begin; j < end; j += kPanel)
    for (int64_t i = 0; i < step.rows; i += kTile)
      fn(i, smaller(kTile, step.rows - i), j, smaller(kPanel, end - j));
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
