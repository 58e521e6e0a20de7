// Tiles of queries, keys and values in a block's shared memory, and their products.
#pragma once

#include <cmath>

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

inline constexpr int kAttentionLanes = 256;
inline constexpr int64_t kMicroTile = 4;  ///< rows and columns of a product that one lane makes

/// Heads beside each other in packed rows; the sequences that no score crosses.
template <typename T>
struct DeviceAttention {
  int64_t tokens = 0;  ///< of the queries
  int64_t keys = 0;
  int64_t heads = 0, kv_heads = 0, dim = 0, value_dim = 0;
  bool causal = false;
  float scale = 0;
  const T* q = nullptr;
  const T* k = nullptr;
  const T* v = nullptr;
  const int32_t* cu_seqlens = nullptr;
  const int32_t* cu_seqlens_k = nullptr;  ///< may be the same
  int64_t entries = 0;

  TIDEMARK_HOST_DEVICE int64_t q_columns() const { return heads * dim; }
  TIDEMARK_HOST_DEVICE int64_t o_columns() const { return heads * value_dim; }
  TIDEMARK_HOST_DEVICE int64_t k_columns() const { return kv_heads * dim; }
  TIDEMARK_HOST_DEVICE int64_t v_columns() const { return kv_heads * value_dim; }
  TIDEMARK_HOST_DEVICE int64_t kv_head(int64_t head) const { return head / (heads / kv_heads); }
};

/// What both passes of the gradient read.
template <typename T>
struct DeviceAttentionGrad {
  DeviceAttention<T> forward;
  const T* d_o = nullptr;
  const float* lse = nullptr;
  const float* delta = nullptr;  ///< f32[heads, tokens]: o . do of each query
};

/// Sizes in floats: an operand is rows x dim, scores are rows x rows. Columns are padded with zeros to whole
/// micro-tiles; an odd stride keeps the rows of a column in different banks.
struct AttentionTiles {
  int64_t rows = 0, dim = 0;

  TIDEMARK_HOST_DEVICE int64_t columns() const { return (dim + kMicroTile - 1) / kMicroTile * kMicroTile; }
  TIDEMARK_HOST_DEVICE int64_t ld() const { return columns() + 1; }
  TIDEMARK_HOST_DEVICE int64_t scores_ld() const { return rows + 1; }
  TIDEMARK_HOST_DEVICE int64_t operand() const { return rows * ld(); }
  TIDEMARK_HOST_DEVICE int64_t scores() const { return rows * scores_ld(); }
};

/// The keys [begin, end) that each query of a block sees; none past the last.
struct SeenKeys {
  int32_t* begin;
  int64_t rows;

  TIDEMARK_DEVICE int32_t* end() const { return begin + rows; }
  TIDEMARK_DEVICE bool sees(int64_t query, int64_t key) const {
    return key >= begin[query] && key < end()[query];
  }
  /// Of the last query, which is the last that any of them sees.
  template <typename T>
  TIDEMARK_DEVICE int64_t end_of_all(const DeviceAttention<T>& a, int64_t first) const {
    return end()[device::smaller(rows, a.tokens - first) - 1];
  }
};

template <typename T, typename Group>
TIDEMARK_DEVICE void find_seen_keys(Group& group, const DeviceAttention<T>& a, int64_t first,
                                    const SeenKeys& seen) {
  group.each(seen.rows, [&](int64_t i) {
    const int64_t row = first + i;
    seen.begin[i] = seen.end()[i] = 0;
    if (row >= a.tokens) return;
    const int64_t sequence = device::sequence_at(a.cu_seqlens, a.entries, row);
    seen.begin[i] = a.cu_seqlens_k[sequence];
    seen.end()[i] = a.causal ? static_cast<int32_t>(row) + 1 : a.cu_seqlens_k[sequence + 1];
  });
}

/// Rows `first`… of one head as f32; zero past the tokens and past the head's columns.
template <typename T, typename Group>
TIDEMARK_DEVICE void load_tile(Group& group, const AttentionTiles& tiles, const T* from, int64_t stride,
                               int64_t first, int64_t tokens, float* to) {
  group.each(tiles.operand(), [&](int64_t i) {
    const int64_t row = i / tiles.ld(), column = i % tiles.ld();
    const bool inside = first + row < tokens && column < tiles.dim;
    to[i] = inside ? device::to_float(from[(first + row) * stride + column]) : 0.0f;
  });
}

/// scores[i, j] = scale * a[i, :] . b[j, :].
template <typename Group>
TIDEMARK_DEVICE void multiply_rows(Group& group, const AttentionTiles& tiles, const float* a, const float* b,
                                   float scale, float* scores) {
  const int64_t across = tiles.rows / kMicroTile;
  group.each(across * across, [&](int64_t task) {
    // Rows and columns of a micro-tile lie `across` apart, so that neighbouring lanes read neighbouring rows.
    const int64_t i0 = task / across, j0 = task % across;
    float sum[kMicroTile][kMicroTile] = {};
    for (int64_t d = 0; d < tiles.columns(); ++d) {
      float x[kMicroTile], y[kMicroTile];
      for (int64_t i = 0; i < kMicroTile; ++i) x[i] = a[(i0 + i * across) * tiles.ld() + d];
      for (int64_t j = 0; j < kMicroTile; ++j) y[j] = b[(j0 + j * across) * tiles.ld() + d];
      for (int64_t i = 0; i < kMicroTile; ++i)
        for (int64_t j = 0; j < kMicroTile; ++j) sum[i][j] = fmaf(x[i], y[j], sum[i][j]);
    }
    for (int64_t i = 0; i < kMicroTile; ++i)
      for (int64_t j = 0; j < kMicroTile; ++j)
        scores[(i0 + i * across) * tiles.scores_ld() + j0 + j * across] = scale * sum[i][j];
  });
}

/// to[i, d] += scale * sum over j of scores[i, j] b[j, d], or, transposed, of scores[j, i] b[j, d].
template <bool kTransposed, typename Group>
TIDEMARK_DEVICE void add_product(Group& group, const AttentionTiles& tiles, const float* scores,
                                 const float* b, float scale, float* to) {
  const int64_t down = tiles.rows / kMicroTile, across = tiles.columns() / kMicroTile;
  group.each(down * across, [&](int64_t task) {
    const int64_t i0 = task / across, d0 = task % across;
    float sum[kMicroTile][kMicroTile] = {};
    for (int64_t j = 0; j < tiles.rows; ++j) {
      float x[kMicroTile], y[kMicroTile];
      for (int64_t i = 0; i < kMicroTile; ++i) {
        const int64_t row = i0 + i * down;
        x[i] = scores[kTransposed ? j * tiles.scores_ld() + row : row * tiles.scores_ld() + j];
      }
      for (int64_t d = 0; d < kMicroTile; ++d) y[d] = b[j * tiles.ld() + d0 + d * across];
      for (int64_t i = 0; i < kMicroTile; ++i)
        for (int64_t d = 0; d < kMicroTile; ++d) sum[i][d] = fmaf(x[i], y[d], sum[i][d]);
    }
    for (int64_t i = 0; i < kMicroTile; ++i)
      for (int64_t d = 0; d < kMicroTile; ++d)
        to[(i0 + i * down) * tiles.ld() + d0 + d * across] += scale * sum[i][d];
  });
}

/// The tile's rows times factor(row), where there are tokens.
template <typename T, typename Group, typename Factor>
TIDEMARK_DEVICE void store_tile(Group& group, const AttentionTiles& tiles, int64_t tokens, int64_t stride,
                                int64_t first, const float* from, const Factor& factor, T* to) {
  group.each(tiles.rows * tiles.dim, [&](int64_t i) {
    const int64_t row = i / tiles.dim, column = i % tiles.dim;
    if (first + row < tokens)
      device::store(to + (first + row) * stride + column, from[row * tiles.ld() + column] * factor(row));
  });
}

}  // namespace tidemark::ops
