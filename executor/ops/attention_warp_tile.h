// What the attention kernels on tensor cores share: which of a block's rows see which columns, and for which
// widths of heads there is a kernel.
#pragma once

#include <algorithm>
#include <cstdint>

#include "executor/device/warp_tile.h"
#include "executor/ops/attention_device_tile.h"

namespace tidemark::ops {

/// DeviceAttention<Bf16> in 32 bits, which spare registers.
struct WarpAttention {
  int tokens, keys, heads, kv_heads, dim, value_dim;
  int q_columns, k_columns, v_columns, o_columns;
  int group, entries;  ///< heads that read a head of keys; of cu_seqlens
  bool causal;
  float scale;
  const Bf16 *q, *k, *v;
  const int32_t *cu_seqlens, *cu_seqlens_k;

  explicit WarpAttention(const DeviceAttention<Bf16>& a)
      : tokens(int_of(a.tokens)),
        keys(int_of(a.keys)),
        heads(int_of(a.heads)),
        kv_heads(int_of(a.kv_heads)),
        dim(int_of(a.dim)),
        value_dim(int_of(a.value_dim)),
        q_columns(int_of(a.q_columns())),
        k_columns(int_of(a.k_columns())),
        v_columns(int_of(a.v_columns())),
        o_columns(int_of(a.o_columns())),
        group(int_of(a.heads / a.kv_heads)),
        entries(int_of(a.entries)),
        causal(a.causal),
        scale(a.scale),
        q(a.q),
        k(a.k),
        v(a.v),
        cu_seqlens(a.cu_seqlens),
        cu_seqlens_k(a.cu_seqlens_k) {}

  TIDEMARK_DEVICE device::Columns q_of(int head) const { return {q, tokens, q_columns, head * dim, dim}; }
  TIDEMARK_DEVICE device::Columns k_of(int kv_head) const { return {k, keys, k_columns, kv_head * dim, dim}; }
  TIDEMARK_DEVICE device::Columns v_of(int kv_head) const {
    return {v, keys, v_columns, kv_head * value_dim, value_dim};
  }
  /// Of the gradient of o.
  TIDEMARK_DEVICE device::Columns o_of(int head, const Bf16* d_o) const {
    return {d_o, tokens, o_columns, head * value_dim, value_dim};
  }

 private:
  static int int_of(int64_t n) { return static_cast<int>(n); }
};

/// What both passes of the gradient read.
struct WarpAttentionGrad {
  WarpAttention forward;
  const Bf16* d_o;
  const float *lse, *delta;
};

/// The columns that a warp's rows see.
struct alignas(16) WarpColumns {
  int32_t first, last;                ///< [first, last): one of its rows does
  int32_t first_of_all, last_of_all;  ///< all of them do

  TIDEMARK_HOST_DEVICE bool any(int column, int n) const { return column < last && column + n > first; }
  TIDEMARK_HOST_DEVICE bool all(int column, int n) const {
    return column >= first_of_all && column + n <= last_of_all;
  }
};

/// The columns [begin, end) that each row of a block sees, in shared memory: neither falls from row to row.
/// Rows are queries and columns keys, or the other way round.
template <int kRows, int kWarps>
struct SeenColumns {
  static constexpr int kBytes = 8 * kRows + kWarps * static_cast<int>(sizeof(WarpColumns));

  int32_t *begin, *end;
  WarpColumns* of_warp;

  /// `at`: kBytes bytes.
  TIDEMARK_DEVICE explicit SeenColumns(void* at)
      : begin(static_cast<int32_t*>(at)),
        end(begin + kRows),
        of_warp(reinterpret_cast<WarpColumns*>(end + kRows)) {}

  static_assert(kRows <= kWarps * device::kWarpLanes);
  /// The warp's share of rows: i of the block's `valid` sees what range(i, begin, end) sets.
  template <typename Warp, typename Range>
  TIDEMARK_DEVICE_INLINE void set_rows(Warp& warp, int valid, const Range& range) const {
    warp.each_lane([&](int lane) {
      const int i = warp.index() * device::kWarpLanes + lane;
      if (i < kRows) {
        begin[i] = INT32_MAX;
        end[i] = 0;
        if (i < valid) range(i, begin[i], end[i]);
      }
    });
  }
  /// When all rows are set, in another phase.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void set_warp(Warp& warp, int valid) const {
    constexpr int kOfWarp = kRows / kWarps;
    const int row = warp.index() * kOfWarp, last = device::smaller(row + kOfWarp, valid) - 1;
    WarpColumns columns{0, 0, INT32_MAX, 0};
    if (row < valid) columns = {begin[row], end[last], begin[row + kOfWarp - 1], end[row]};
    warp.each_lane([&](int lane) {
      if (lane == 0) of_warp[warp.index()] = columns;
    });
  }
  /// hide(m, n, i) of every score that a lane has and whose row does not see its column. `column`: of the
  /// scores' first.
  template <int kDown, int kAcross, typename Hide>
  TIDEMARK_DEVICE_INLINE void each_unseen(int lane, int row, int column, const Hide& hide) const {
    TIDEMARK_UNROLL
    for (int m = 0; m < kDown; ++m) TIDEMARK_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int own = row + 16 * m + device::c_row(lane, 2 * half);
      const int before = begin[own] - column - device::c_column(lane, 0);
      const int after = end[own] - column - device::c_column(lane, 0);
      TIDEMARK_UNROLL
      for (int n = 0; n < kAcross; ++n) TIDEMARK_UNROLL
      for (int i = 0; i < 2; ++i)
        if (8 * n + i < before || 8 * n + i >= after) hide(m, n, 2 * half + i);
    }
  }
};

/// The keys of the queries from `first` on, and the queries of the keys.
template <typename Warp, int kRows, int kWarps>
TIDEMARK_DEVICE_INLINE void find_keys(Warp& warp, const WarpAttention& a, int first, int valid,
                                      const SeenColumns<kRows, kWarps>& seen) {
  seen.set_rows(warp, valid, [&](int i, int32_t& begin, int32_t& end) {
    const int query = first + i;
    const int64_t sequence = device::sequence_at(a.cu_seqlens, a.entries, query);
    begin = a.cu_seqlens_k[sequence];
    end = a.causal ? query + 1 : a.cu_seqlens_k[sequence + 1];
  });
}
template <typename Warp, int kRows, int kWarps>
TIDEMARK_DEVICE_INLINE void find_queries(Warp& warp, const WarpAttention& a, int first, int valid,
                                         const SeenColumns<kRows, kWarps>& seen) {
  seen.set_rows(warp, valid, [&](int i, int32_t& begin, int32_t& end) {
    const int key = first + i;
    const int64_t sequence = device::sequence_at(a.cu_seqlens_k, a.entries, key);
    begin = a.causal ? key : a.cu_seqlens[sequence];
    end = a.cu_seqlens[sequence + 1];
  });
}

/// Of a warp's 16 kDown rows in its block.
template <int kDown, typename Warp>
TIDEMARK_DEVICE_INLINE int first_row(const Warp& warp) {
  return warp.index() * 16 * kDown;
}

/// f(score, m, n, i) of what a lane has of a warp's scores.
template <int kDown, int kAcross, typename Scores, typename F>
TIDEMARK_DEVICE_INLINE void each_score(Scores (&scores)[kDown][kAcross], int lane, const F& f) {
  TIDEMARK_UNROLL
  for (int m = 0; m < kDown; ++m) TIDEMARK_UNROLL
  for (int n = 0; n < kAcross; ++n) TIDEMARK_UNROLL
  for (int i = 0; i < 4; ++i) f(scores[m][n][lane].x[i], m, n, i);
}

/// Widths of keys and values that kernels are made for; narrower heads are filled up with zeros.
template <int kDim_, int kValueDim_>
struct HeadWidths {
  static constexpr int kDim = kDim_, kValueDim = kValueDim_;
};
template <typename F>
void with_head_widths(int64_t dim, int64_t value_dim, const F& f) {
  const int64_t wider = std::max(dim, value_dim);
  if (wider <= 64) return f(HeadWidths<64, 64>{});
  if (wider <= 96) return f(HeadWidths<96, 96>{});
  if (wider <= 128) return f(HeadWidths<128, 128>{});
  if (dim <= 192 && value_dim <= 128) return f(HeadWidths<192, 128>{});
  f(HeadWidths<256, 256>{});
}

}  // namespace tidemark::ops
