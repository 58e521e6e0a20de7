// What RWKV-7's recurrence and its gradient share on tensor cores: the chunkwise form (Yang et al. 2024, with
// decays) of a tile of 16 rows.
//
// With P the products of the decays from the tile's first row to each row, A = a P(before), R = r P, B = b /
// P and K = key / P, row by row: S' a, the "along" of the rows, is U = (1 - lower(A B^T))^-1 (A S^T + lower(A
// K^T) V), y = R S^T + lower(R B^T) U + lower(R K^T) V, and the state after the tile (S + U^T B + V^T K)
// P(last). A decay is at least 0.54, so that 1 / P is below 2^15, and products of it lose nothing in bf16,
// which has f32's exponents. The inverse is made in f32, by substitution: powers of A B^T would cancel.
#pragma once

#include "executor/device/warp_tile.h"
#include "executor/ops/wkv7_device_rows.h"

namespace tidemark::ops {

/// A tile in a block's shared memory, and what its four warps do with it. Each has 16 of the head's values,
/// or of its keys.
struct Wkv7WarpTile {
  static constexpr int kRows = 16, kColumns = 64, kWarps = 4;
  using Rows = device::SharedTile<kColumns>;
  using Square = device::SharedTile<kRows>;
  /// Of the squares in f32.
  static constexpr int kLd = kRows + 1;
  static constexpr int kBytes = 2 * (10 * Rows::elements(kRows) + (3 + kWarps) * Square::elements(kRows)) +
                                4 * (kRows * kLd + kRows * kColumns + kColumns + kRows);

  /// A lane's register of a tile's rows.
  template <typename Warp>
  using Sums = typename Warp::template Lanes<device::Sums>;

  Rows r, w, k, v, a;           ///< as they come
  Rows other;                   ///< forward the next tile's v, going back dy
  Rows of_a, of_r, of_b, of_k;  ///< A, R, B and K
  Square ak, rb, rk;            ///< lower(A K^T), and so on
  Square inverses;              ///< of each warp
  float* ab;                    ///< [kRows, kLd]
  float* logs;                  ///< [kRows, kColumns]: of P, to base 2
  float* last;                  ///< P of the last row
  float* inverse_norm;          ///< of k k_k

  TIDEMARK_DEVICE explicit Wkv7WarpTile(unsigned char* shared) {
    auto* at = reinterpret_cast<Bf16*>(shared);
    const auto take = [&at](int elements) {
      Bf16* const taken = at;
      at += elements;
      return taken;
    };
    Rows* const rows[] = {&r, &w, &k, &v, &a, &other, &of_a, &of_r, &of_b, &of_k};
    TIDEMARK_UNROLL
    for (Rows* of : rows) of->data = take(Rows::elements(kRows));
    Square* const squares[] = {&ak, &rb, &rk};
    TIDEMARK_UNROLL
    for (Square* of : squares) of->data = take(Square::elements(kRows));
    inverses.data = take(kWarps * Square::elements(kRows));
    ab = reinterpret_cast<float*>(at);
    logs = ab + kRows * kLd;
    last = logs + kRows * kColumns;
    inverse_norm = last + kColumns;
  }

  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void copy_rows(Warp& warp, const DeviceWkv7<Bf16>& s, const Bf16* from,
                                               int head, int row, int rows, Rows to) {
    const Bf16* const at = from + s.at(row, head);
    const int stride = static_cast<int>(s.heads * s.columns);
    device::copy_each_row<kWarps, kRows>(
        warp, [&](int i) { return i < rows ? at + i * stride : nullptr; }, static_cast<int>(s.columns), to);
  }
  /// All that come, v to `v_to`.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void copy(Warp& warp, const DeviceWkv7<Bf16>& s, int head, int row, int rows,
                                   Rows v_to) const {
    copy_rows(warp, s, s.r, head, row, rows, r);
    copy_rows(warp, s, s.w, head, row, rows, w);
    copy_rows(warp, s, s.k, head, row, rows, k);
    copy_rows(warp, s, s.v, head, row, rows, v_to);
    copy_rows(warp, s, s.a, head, row, rows, a);
  }

  /// sum(row) = the sum of f(row, column) over the columns, by one warp, four lanes to a row.
  template <typename Warp, typename F>
  static TIDEMARK_DEVICE_INLINE void sum_rows(Warp& warp, int columns, const F& f, float* sum) {
    if (warp.index() > 0) return;
    typename Warp::template Lanes<device::RowPair> sums;
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int half = 0; half < 2; ++half) {
        float of_lane = 0;
        for (int column = lane % 4; column < columns; column += 4)
          of_lane += f(device::c_row(lane, 2 * half), column);
        sums[lane].x[half] = of_lane;
      }
    });
    warp.each_quad(sums, [](float x, float y) { return x + y; });
    warp.each_lane([&](int lane) {
      if (lane % 4 == 0)
        for (int half = 0; half < 2; ++half) sum[device::c_row(lane, 2 * half)] = sums[lane].x[half];
    });
  }
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void find_norms(Warp& warp, const DeviceWkv7<Bf16>& s, int head) const {
    const Bf16* const k_k = s.k_k + head * s.columns;
    sum_rows(
        warp, static_cast<int>(s.columns),
        [&](int row, int column) {
          const float key = device::to_float(*k.at(row, column)) * device::to_float(k_k[column]);
          return key * key;
        },
        inverse_norm);
    if (warp.index() > 0) return;
    warp.sync();
    warp.each_lane([&](int lane) {
      if (lane < kRows) inverse_norm[lane] = 1 / device::larger(kWkv7LeastNorm, sqrtf(inverse_norm[lane]));
    });
  }

  /// f(column, row, end) of a lane's share: a column's first rows or the others.
  template <typename Warp, typename F>
  static TIDEMARK_DEVICE_INLINE void each_share(Warp& warp, const F& f) {
    constexpr int kShare = kRows * kColumns / kWarps / device::kWarpLanes;
    warp.each_lane([&](int lane) {
      const int at = warp.index() * device::kWarpLanes + lane, first = at / kColumns * kShare;
      f(at % kColumns, first, first + kShare);
    });
  }
  /// A, R, B and K. Rows that are not there decay nothing, and are zero.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void make_rows(Warp& warp, const DeviceWkv7<Bf16>& s, int head, int rows) const {
    each_share(warp, [&](int column, int begin, int end) {
      const bool there = column < s.columns;
      const float k_k = there ? device::to_float(s.k_k[head * s.columns + column]) : 0.0f;
      const float k_a = there ? device::to_float(s.k_a[head * s.columns + column]) : 0.0f;
      float log = 0;
      for (int t = 0; t < end; ++t) {
        const float before = log;
        if (t < rows)
          log = fmaf(kWkv7LogDecay * kLog2E, device::sigmoid(device::to_float(*w.at(t, column))), log);
        if (t < begin) continue;
        const float key = device::to_float(*k.at(t, column));
        const float rate = device::sigmoid(device::to_float(*a.at(t, column)));
        const float minus_direction = -key * k_k * inverse_norm[t];
        const float decay = device::fast_exp2(log), growth = device::fast_exp2(-log);
        device::store(of_a.at(t, column), minus_direction * device::fast_exp2(before));
        device::store(of_r.at(t, column), device::to_float(*r.at(t, column)) * decay);
        device::store(of_b.at(t, column), -minus_direction * rate * growth);
        device::store(of_k.at(t, column), fmaf(key * (rate - 1.0f), k_a, key) * growth);
        logs[t * kColumns + column] = log;
        if (t == kRows - 1) last[column] = decay;
      }
    });
  }

  /// Row t, column i of what a warp has of a square, below the diagonal or on it, or zero.
  template <typename Warp, typename Store>
  static TIDEMARK_DEVICE_INLINE void each_lower(Warp& warp, Sums<Warp> (&sums)[1][2], bool diagonal,
                                                const Store& store) {
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int n = 0; n < 2; ++n) TIDEMARK_UNROLL
      for (int i = 0; i < 4; i += 2) {
        const int t = device::c_row(lane, i), column = 8 * n + device::c_column(lane, i);
        const auto lower = [&](int at) {
          return column + at < t || (diagonal && column + at == t) ? sums[0][n][lane].x[i + at] : 0.0f;
        };
        store(t, column, lower(0), lower(1));
      }
    });
  }
  /// The squares, one a warp.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void make_squares(Warp& warp) const {
    const int which = warp.index();
    const Rows left = which < 2 ? of_a : of_r, right = which % 2 == 0 ? of_b : of_k;
    Sums<Warp> sums[1][2];
    device::multiply_rows(warp, left, 0, right, sums);
    const Square to = which == 1 ? ak : which == 2 ? rb : rk;
    each_lower(warp, sums, which >= 2, [&](int t, int column, float first, float second) {
      if (which > 0) return Warp::store(to.at(t, column), first, second);
      ab[t * kLd + column] = first;
      ab[t * kLd + column + 1] = second;
    });
  }
  /// (1 - lower(A B^T))^-1, a column a lane, for the warp alone.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE Square invert(Warp& warp) const {
    const Square to{inverses.data + warp.index() * Square::elements(kRows)};
    warp.each_lane([&](int lane) {
      if (lane >= kRows) return;
      float x[kRows];
      TIDEMARK_UNROLL
      for (int t = 0; t < kRows; ++t) {
        x[t] = t == lane ? 1.0f : 0.0f;
        TIDEMARK_UNROLL
        for (int before = 0; before < t; ++before) x[t] = fmaf(ab[t * kLd + before], x[before], x[t]);
        device::store(to.at(t, lane), x[t]);
      }
    });
    warp.sync();
    return to;
  }

  /// sums += x^T right, x [kRows, …] of which the warp has 16 columns; right has as many columns as sums, or
  /// transposed as many rows.
  template <bool kTransposed, int kAcross, int kTileColumns, typename Warp>
  static TIDEMARK_DEVICE_INLINE void add_rows(Warp& warp, Rows x, device::SharedTile<kTileColumns> right,
                                              Sums<Warp> (&sums)[1][kAcross]) {
    device::add_tiles<kRows, true, kTransposed>(warp, x, 16 * warp.index(), right, 0, sums);
  }
};

}  // namespace tidemark::ops
