// Tiles of attention in registers and scratch memory; used by attention.simd.cpp and
// attention_grad.simd.cpp.
#pragma once

#include <math.h>

#include "executor/cpu/gemm_micro.h"
#include "executor/cpu/prefetch.h"
#include "executor/cpu/simd_math.h"
#include "executor/ops/attention.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;
using cpu::kAttentionBlock;
using cpu::prefetch_rows;

inline constexpr int kPanel = kTileColumns;  ///< queries side by side
inline constexpr int64_t kPanels = kAttentionBlock / kPanel;

/// Row length of keys and values in scratch; not a power of two: rows would share cache sets.
inline int64_t tile_columns(int64_t dim) {
  return dim + 16;
}

/// The queries of panel `i` of a block.
inline Rows panel_of(const QueryBlock& block, int64_t i) {
  const int64_t begin = block.queries.begin + i * kPanel;
  return {begin, smaller(begin + kPanel, block.queries.end)};
}
inline int64_t panels_of(const QueryBlock& block) {
  return (block.queries.end - block.queries.begin + kPanel - 1) / kPanel;
}

/// How many of `keys`, the first ones, a panel sees; 0 or less: none.
inline int64_t visible(bool causal, Rows keys, Rows queries) {
  return (causal ? smaller(keys.end, queries.end) : keys.end) - keys.begin;
}

/// Scores of keys that come after the lane's query become minus infinity.
inline void mask_later_keys(float* scores, int64_t n_keys, int64_t first_key, Rows queries) {
  alignas(64) static constexpr float kLane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const Vec lane = load(kLane), hidden = broadcast(-INFINITY);
  const int64_t diagonal = queries.begin - first_key + 1;  // keys before it are seen by the whole panel
  for (int64_t p = diagonal > 0 ? diagonal : 0; p < n_keys; ++p)
    for (int half = 0; half < 2; ++half) {
      float* const x = scores + p * kPanel + half * kLanes;
      const Vec first_seen = broadcast(static_cast<float>(first_key + p - queries.begin - half * kLanes));
      store(x, select_less(lane, first_seen, hidden, load(x)));
    }
}

/// A tile of keys or values, times `factor`.
template <typename T>
inline void copy_rows(const T* in, int64_t ld, Rows rows, int64_t dim, float factor, float* out) {
  const Vec f = broadcast(factor);
  for (int64_t r = rows.begin; r < rows.end; ++r, out += tile_columns(dim))
    lanes(0, dim, [&](int64_t j, auto w) { store(out + j, f * load(in + r * ld + j, w), w); });
}

inline void scale(float* x, int64_t n, float factor) {
  const Vec f = broadcast(factor);
  for (int64_t i = 0; i < n; i += kLanes) store(x + i, f * load(x + i));
}

/// Rows of `out` from a panel [dim, kPanel]; `rows` is scratch for kPanel * dim elements.
template <typename T>
inline void unpack_queries(const float* panel, Rows queries, int64_t dim, float* rows, T* out, int64_t ld) {
  const int64_t dim8 = dim / 8 * 8;
  for (int64_t d = 0; d < dim8; d += 8)
    for (int64_t q = 0; q < kPanel; q += 8)
      transpose8(panel + d * kPanel + q, kPanel, rows + q * dim + d, dim);
  for (int64_t d = dim8; d < dim; ++d)
    for (int64_t q = 0; q < kPanel; ++q) rows[q * dim + d] = panel[d * kPanel + q];
  for (int64_t q = queries.begin; q < queries.end; ++q, rows += dim) convert(rows, out + q * ld, dim);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
