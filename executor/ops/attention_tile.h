// Tiles of attention in registers and scratch memory; used by attention.simd.cpp and
// attention_grad.simd.cpp.
#pragma once

#include <math.h>

#include "executor/cpu/gemm_micro.h"
#include "executor/cpu/simd_math.h"
#include "executor/ops/attention.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;
using cpu::kAttentionBlock;

inline constexpr float kLog2E = 1.44269504088896341f;
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

/// Lanes whose query is before the key get `hidden`.
inline Vec masked(Vec x, int64_t key, int64_t first_query, float hidden) {
  alignas(64) static constexpr float kLane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return select_less(load(kLane), broadcast(static_cast<float>(key - first_query)), broadcast(hidden), x);
}

/// fn(lane0, x) for both halves of each row of scores[keys, kPanel], x masked, and scores = its result.
template <typename F>
inline void update_scores(float* scores, int64_t n_keys, int64_t first_key, Rows queries, bool causal,
                          float hidden, F&& fn) {
  // Keys before the panel's first query are seen by all of it.
  const int64_t diagonal = causal ? queries.begin - first_key + 1 : n_keys;
  int64_t p = 0;
  for (; p < smaller(diagonal, n_keys); ++p, scores += kPanel) {
    store(scores, fn(0, load(scores)));
    store(scores + kLanes, fn(1, load(scores + kLanes)));
  }
  for (; p < n_keys; ++p, scores += kPanel) {
    const int64_t key = first_key + p;
    store(scores, fn(0, masked(load(scores), key, queries.begin, hidden)));
    store(scores + kLanes, fn(1, masked(load(scores + kLanes), key, queries.begin + kLanes, hidden)));
  }
}

/// A tile of keys or values, as f32.
template <typename T>
inline void copy_rows(const T* in, int64_t ld, Rows rows, int64_t dim, float* out) {
  for (int64_t r = rows.begin; r < rows.end; ++r, out += tile_columns(dim)) convert(in + r * ld, out, dim);
}

/// Panels [dim, kPanel] of a block's rows, times `factor`.
template <typename T>
inline void pack_queries(const T* in, int64_t ld, const QueryBlock& block, int64_t dim, float factor,
                         float* out) {
  pack_transposed(in + block.queries.begin * ld, ld, dim, block.queries.end - block.queries.begin, out);
  const Vec f = broadcast(factor);
  for (int64_t i = 0; i < panels_of(block) * dim * kPanel; i += kLanes) store(out + i, load(out + i) * f);
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
