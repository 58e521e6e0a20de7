// What the chunked state-space scan and its gradient share: decays, packed operands, triangular products.
#pragma once

#include "executor/cpu/gemm_micro.h"
#include "executor/cpu/simd_math.h"
#include "executor/ops/ssd_scan.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;
using cpu::kSsdPieceRows;

/// Of one piece and group, or their gradients: B and C [rows, states], C B^T [rows, piece_rows].
struct Scores {
  float *b, *c, *cb;

  Scores(const Ssd& s, float* at) : b(at), c(b + s.piece_rows * s.states), cb(c + s.piece_rows * s.states) {}
};

/// A head's state in panels.
inline int64_t state_floats(const Ssd& s) {
  return packed_elements(s.states, s.head_columns);
}

/// A head's time steps in a piece, and how its state decays between rows.
struct Decays {
  int64_t rows;
  float raw[kSsdPieceRows] = {};       ///< dt + dt_bias
  float softened[kSsdPieceRows] = {};  ///< softplus of it
  float delta[kSsdPieceRows] = {};     ///< within the limits
  float exponent[kSsdPieceRows] =
      {};  ///< base 2, from before the piece to after the row, sequences disregarded
  float from_before[kSsdPieceRows] = {};  ///< decay of the state before the piece, 0 if of another sequence
  float to_end[kSsdPieceRows] = {};       ///< decay from the row to the end of the piece, likewise
  int64_t first[kSsdPieceRows];           ///< row at which the row's sequence begins, at least 0
  uint64_t starts;                        ///< a bit per row
  float carried;                          ///< from before the piece to its end
  float a;                                ///< log2(e) A

  template <typename T>
  static Decays of(const Ssd& s, const SsdPiece& piece, int64_t head) {
    Decays d;
    d.rows = piece.rows;
    const T* dt = static_cast<const T*>(s.dt) + piece.row * s.dt_stride + head;
    for (int64_t i = 0; i < d.rows; ++i) d.raw[i] = to_float(dt[i * s.dt_stride]) + s.dt_bias[head];
    for (int64_t i = 0; i < d.rows; i += kLanes) {
      const Vec soft = softplus(load(d.raw + i));
      store(d.softened + i, soft);
      store(d.delta + i, min(broadcast(s.dt_max), max(broadcast(s.dt_min), soft)));
    }
    float lane[kLanes];
    store(lane, exp(broadcast(s.a_log[head])));
    d.a = -lane[0] * kLog2E;
    double exponent = 0;
    for (int64_t i = 0; i < d.rows; ++i) {
      exponent += static_cast<double>(d.delta[i]) * static_cast<double>(d.a);
      d.exponent[i] = static_cast<float>(exponent);
    }
    d.set_decays(s, piece.row);
    return d;
  }

 private:
  void set_decays(const Ssd& s, int64_t row) {
    starts = starts_among(s.sequences, row, rows);
    int64_t begin = 0;
    for (int64_t i = 0; i < rows; ++i) {
      if (starts >> i & 1) begin = i;
      first[i] = begin;
    }
    const int64_t continued =
        starts ? __builtin_ctzll(starts) : rows;  // rows of the sequence before the piece
    const Vec end = broadcast(exponent[rows - 1]);
    lanes(0, continued,
          [&](int64_t i, auto w) { store(from_before + i, exp2_of_negative(load(exponent + i, w)), w); });
    lanes(begin, rows,
          [&](int64_t i, auto w) { store(to_end + i, exp2_of_negative(end - load(exponent + i, w)), w); });
    carried = starts ? 0 : from_before[rows - 1];
  }
};

/// Panels of B[rows, columns], B(j, p) = factor[j] x[j * stride + p].
template <typename T>
inline void pack_scaled(const T* x, int64_t stride, int64_t rows, int64_t columns, const float* factor,
                        float* out) {
  for (int64_t p = 0; p < columns; p += kTileColumns)
    for (int64_t j = 0; j < rows; ++j, out += kTileColumns)
      for (int64_t i = 0; i < kTileColumns; i += kLanes) {
        const int64_t left = columns - p - i;
        const T* at = x + j * stride + p + i;
        const Vec v = left >= kLanes ? load(at) : load(at, static_cast<int>(left > 0 ? left : 0));
        store(out + i, broadcast(factor[j]) * v);
      }
}

/// fn(i, end) for the rows [i, end) of each register tile of m rows.
template <typename F>
inline void each_tile(int64_t m, F&& fn) {
  const int64_t tiles = register_tiles(m);
  for (int64_t t = 0; t < tiles; ++t) fn(tile_start(m, tiles, t), tile_start(m, tiles, t + 1));
}

/// The lower triangle of C[m, m] = A[m, k] B[k, m].
inline void multiply_to_lower(int64_t m, int64_t k, const float* a, int64_t lda, const float* b, float* c,
                              int64_t ldc) {
  each_tile(m, [&](int64_t i, int64_t end) {
    multiply<Layout::rows>(end - i, end, k, a + i * lda, lda, b, c + i * ldc, ldc, {});
  });
}

/// C[m, n] += L B[m, n] where L is lower triangular with zeros above its diagonal, or L^T B.
template <bool kTransposed>
inline void multiply_lower(int64_t m, int64_t n, const float* l, int64_t ldl, const float* b, float* c,
                           int64_t ldc) {
  each_tile(m, [&](int64_t i, int64_t end) {
    for (int64_t j = 0; j < n; j += kTileColumns) {
      float* const to = c + i * ldc + j;
      const int width = static_cast<int>(smaller(kTileColumns, n - j)), height = static_cast<int>(end - i);
      if (kTransposed)
        register_tile<false>(height, m - i, l + i * ldl + i, ldl, b + j * m + i * kTileColumns, to, ldc,
                             width, {to, ldc});
      else
        register_tile<true>(height, end, l + i * ldl, ldl, b + j * m, to, ldc, width, {to, ldc});
    }
  });
}

/// state = factor * state + A^T X over the rows of the piece, for a head's state in panels; A is [rows,
/// states], X in panels.
inline void move_state(const Ssd& s, int64_t rows, float factor, const float* a, const float* x,
                       float* state) {
  for (int64_t j = 0; j < s.head_columns; j += kTileColumns) {
    float* const panel = state + j * s.states;
    for (int64_t i = 0; i < s.states * kTileColumns; i += kLanes)
      store(panel + i, broadcast(factor) * load(panel + i));
    multiply<Layout::columns>(s.states, kTileColumns, rows, a, s.states, x + j * rows, panel, kTileColumns,
                              {panel, kTileColumns});
  }
}

/// The head's columns of a row of x, B and C, or of its gradient.
template <typename T>
inline const T* head_columns(const Ssd& s, const void* x, int64_t stride, int64_t row, int64_t head) {
  return static_cast<const T*>(x) + row * stride + head * s.head_columns;
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
