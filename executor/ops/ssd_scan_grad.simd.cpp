#include "executor/cpu/simd_reduce.h"
#include "executor/ops/ssd_pieces.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

/// Scratch memory of one head; matrices have piece_rows rows.
struct HeadScratch {
  float* states;                     ///< before each piece, in panels
  float *x, *scaled, *dy, *dscaled;  ///< [padded_columns]; scaled = delta x
  float *decayed, *products;         ///< [piece_rows]: decayed scores; dy scaled^T
  float* row_states;                 ///< [states]
  float* panels;                     ///< a packed operand

  HeadScratch(const Ssd& s, int64_t pieces, float* at) {
    const auto take = [&at](int64_t floats) {
      float* const taken = at;
      at += floats;
      return taken;
    };
    const int64_t matrix = s.piece_rows * s.padded_columns, square = s.piece_rows * s.piece_rows;
    states = take(pieces * s.states * s.padded_columns);
    x = take(matrix);
    scaled = take(matrix);
    dy = take(matrix);
    dscaled = take(matrix);
    decayed = take(square);
    products = take(square);
    row_states = take(s.piece_rows * s.states);
    panels = at;
  }
};

/// Gradients that a head gathers over the rows of a chunk.
struct HeadSums {
  float a = 0, d = 0, dt_bias = 0;
};

/// The states before the chunk's pieces, from the one before the chunk.
template <typename T>
void remake_states(const Ssd& s, const SsdHeadChunk& chunk, const HeadScratch& scratch) {
  const int64_t stride = s.states * s.padded_columns;
  for (int64_t j = 0; j < s.head_columns; j += kTileColumns)
    for (int64_t n = 0; n < s.states; ++n) {
      float* const to = scratch.states + j * s.states + n * kTileColumns;
      for (int64_t i = 0; i < kTileColumns; ++i)
        to[i] = j + i < s.head_columns ? chunk.state[n * s.head_columns + j + i] : 0;
    }
  for (int64_t q = 0; (q + 1) * s.piece_rows < chunk.rows; ++q) {
    const SsdPiece piece{chunk.row + q * s.piece_rows, s.piece_rows};
    const Decays d = Decays::of<T>(s, piece, chunk.head);
    float factor[kSsdPieceRows];
    for (int64_t i = 0; i < d.rows; ++i) factor[i] = d.delta[i] * d.to_end[i];
    pack_scaled(head_columns<T>(s, s.xbc, s.xbc_stride, piece.row, chunk.head), s.xbc_stride, d.rows,
                s.head_columns, factor, scratch.panels);
    float* const now = scratch.states + q * stride;
    convert(now, now + stride, state_floats(s));
    const Scores scores(s, chunk.scores + q * chunk.score_stride);
    move_state(s, d.rows, d.carried, scores.b, scratch.panels, now + stride);
  }
}

/// x, delta x and dy of the head as f32 rows, zero past its columns.
template <typename T>
void load_rows(const SsdGrad& g, const SsdPiece& piece, int64_t head, const Decays& d,
               const HeadScratch& scratch) {
  const Ssd& s = g.ssd;
  for (int64_t i = 0; i < d.rows; ++i) {
    const T* x = head_columns<T>(s, s.xbc, s.xbc_stride, piece.row + i, head);
    const T* dy = head_columns<T>(s, g.dy, s.heads * s.head_columns, piece.row + i, head);
    const int64_t at = i * s.padded_columns;
    lanes(0, s.head_columns, [&](int64_t p, auto w) {
      const Vec v = load(x + p, w);
      store(scratch.x + at + p, v, w);
      store(scratch.scaled + at + p, broadcast(d.delta[i]) * v, w);
      store(scratch.dy + at + p, load(dy + p, w), w);
    });
    for (int64_t p = s.head_columns; p < s.padded_columns; ++p)
      scratch.scaled[at + p] = scratch.dy[at + p] = 0;
  }
}

/// The decayed scores, from their gradient (dy scaled^T) the share of C B^T, and what the exponents receive:
/// a row what it takes part in, less what it hands on.
void differentiate_scores(const Ssd& s, const Decays& d, const float* cb, float* cb_grad,
                          const HeadScratch& scratch, float* exponent_grad) {
  float handed_on[kSsdPieceRows] = {};
  for (int64_t i = 0; i < d.rows; ++i) {
    const int64_t row = i * s.piece_rows;
    float* const decayed = scratch.decayed + row;
    lanes(0, s.piece_rows, [&](int64_t j, auto w) { store(decayed + j, zero(), w); });
    const int64_t first = d.first[i];
    lanes(first, i + 1, [&](int64_t j, auto w) {
      const Vec decay = exp2_of_negative(broadcast(d.exponent[i]) - load(d.exponent + j, w));
      const Vec grad = decay * load(scratch.products + row + j, w);
      store(cb_grad + row + j, load(cb_grad + row + j, w) + grad, w);
      store(decayed + j, decay * load(cb + row + j, w), w);
    });
    // A row's own score does not decay.
    const float taken = sum_over(i - first, [&](int64_t j, auto w) {
      const Vec part = load(decayed + first + j, w) * load(scratch.products + row + first + j, w);
      store(handed_on + first + j, load(handed_on + first + j, w) + part, w);
      return part;
    });
    exponent_grad[i] = taken;
  }
  for (int64_t i = 0; i < d.rows; ++i) exponent_grad[i] -= handed_on[i];
}

/// out[rows, states] = rows_of_head[rows, columns] state^T.
void multiply_state_transposed(const Ssd& s, int64_t rows, const float* rows_of_head, const float* state,
                               float* panel, float* out) {
  for (int64_t j = 0; j < s.head_columns; j += kTileColumns) {
    pack_transposed(state + j * s.states, kTileColumns, kTileColumns, s.states, panel);
    multiply<Layout::rows>(rows, s.states, kTileColumns, rows_of_head + j, s.padded_columns, panel, out,
                           s.states, j > 0 ? Start{out, s.states} : Start{});
  }
}

/// total[i] += factor[i] part[i] over rows of states; dots[i] = factor[i] part[i] . with[i].
void add_scaled_rows(const Ssd& s, int64_t rows, const float* factor, const float* part, const float* with,
                     float* total, float* dots) {
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t at = i * s.states;
    const Vec f = broadcast(factor[i]);
    dots[i] = sum_over(s.states, [&](int64_t n, auto w) {
      const Vec v = f * load(part + at + n, w);
      store(total + at + n, load(total + at + n, w) + v, w);
      return v * load(with + at + n, w);
    });
  }
}

/// The head's columns of dx, and per row the gradient of delta through delta x.
template <typename T>
void store_dx(const SsdGrad& g, const SsdPiece& piece, int64_t head, const Decays& d,
              const HeadScratch& scratch, float* delta_grad, HeadSums& sums) {
  const Ssd& s = g.ssd;
  const Vec skip = broadcast(s.d[head]);
  for (int64_t i = 0; i < d.rows; ++i) {
    T* const dx = static_cast<T*>(g.dxbc) + (piece.row + i) * s.xbc_stride + head * s.head_columns;
    const int64_t at = i * s.padded_columns;
    delta_grad[i] = sum_over(s.head_columns, [&](int64_t p, auto w) {
      const Vec ds = load(scratch.dscaled + at + p, w);
      store(dx + p, fma(skip, load(scratch.dy + at + p, w), broadcast(d.delta[i]) * ds), w);
      return ds * load(scratch.x + at + p, w);
    });
    sums.d += sum_over(s.head_columns, [&](int64_t p, auto w) {
      return load(scratch.dy + at + p, w) * load(scratch.x + at + p, w);
    });
  }
}

/// From what the exponents (sums of delta A up to each row) and the delta of each row receive to dt and A.
template <typename T>
void store_ddt(const SsdGrad& g, const SsdPiece& piece, int64_t head, const Decays& d,
               const float* exponent_grad, const float* delta_grad, HeadSums& sums) {
  const Ssd& s = g.ssd;
  const float a = d.a * kLn2;
  float slope[kSsdPieceRows];
  for (int64_t i = 0; i < kSsdPieceRows; i += kLanes) store(slope + i, sigmoid(load(d.raw + i)));
  float sum = 0;
  for (int64_t i = d.rows; i-- > 0;) {
    sum += exponent_grad[i];
    // Into its first row a sequence carries nothing that could decay.
    if (d.starts >> i & 1) sum = 0;
    sums.a += sum * d.delta[i];
    const bool within = d.softened[i] >= s.dt_min && d.softened[i] <= s.dt_max;
    const float ddt = within ? (delta_grad[i] + sum * a) * slope[i] : 0;
    sums.dt_bias += ddt;
    T* const to = static_cast<T*>(g.ddt) + (piece.row + i) * s.dt_stride + head;
    const float total = to_float(*to) + ddt;
    convert(&total, to, 1);
  }
}

template <typename T>
void grad_piece(const SsdGrad& g, const SsdHeadChunk& chunk, int64_t q, const HeadScratch& scratch,
                HeadSums& sums) {
  const Ssd& s = g.ssd;
  const int64_t row = q * s.piece_rows;
  const SsdPiece piece{chunk.row + row, smaller(s.piece_rows, chunk.rows - row)};
  const Decays d = Decays::of<T>(s, piece, chunk.head);
  const Scores scores(s, chunk.scores + q * chunk.score_stride);
  const Scores grads(s, chunk.score_grads + q * chunk.score_stride);
  const int64_t ld = s.padded_columns, columns = s.head_columns;
  const float* const state = scratch.states + q * s.states * ld;
  float exponent_grad[kSsdPieceRows], from_state[kSsdPieceRows], to_state[kSsdPieceRows],
      delta_grad[kSsdPieceRows];
  load_rows<T>(g, piece, chunk.head, d, scratch);

  // Within the piece.
  pack_transposed(scratch.scaled, ld, columns, d.rows, scratch.panels);
  multiply_to_lower(d.rows, columns, scratch.dy, ld, scratch.panels, scratch.products, s.piece_rows);
  differentiate_scores(s, d, scores.cb, grads.cb, scratch, exponent_grad);

  // Into the state after it.
  multiply<Layout::rows>(d.rows, columns, s.states, scores.b, s.states, chunk.state_grad, scratch.dscaled, ld,
                         {});
  for (int64_t i = 0; i < d.rows; ++i)
    lanes(i * ld, i * ld + columns, [&](int64_t p, auto w) {
      store(scratch.dscaled + p, broadcast(d.to_end[i]) * load(scratch.dscaled + p, w), w);
    });
  pack_rows(scratch.dy, ld, nullptr, d.rows, columns, scratch.panels);
  multiply_lower<true>(d.rows, columns, scratch.decayed, s.piece_rows, scratch.panels, scratch.dscaled, ld);
  multiply_state_transposed(s, d.rows, scratch.scaled, chunk.state_grad, scratch.panels, scratch.row_states);
  add_scaled_rows(s, d.rows, d.to_end, scratch.row_states, scores.b, grads.b, to_state);

  // Out of the state before it.
  multiply_state_transposed(s, d.rows, scratch.dy, state, scratch.panels, scratch.row_states);
  add_scaled_rows(s, d.rows, d.from_before, scratch.row_states, scores.c, grads.c, from_state);
  const float through = d.carried * sum_over(state_floats(s), [&](int64_t i, auto w) {
                          return load(state + i, w) * load(chunk.state_grad + i, w);
                        });
  store_dx<T>(g, piece, chunk.head, d, scratch, delta_grad, sums);
  pack_scaled(scratch.dy, ld, d.rows, columns, d.from_before, scratch.panels);
  move_state(s, d.rows, d.carried, scores.c, scratch.panels, chunk.state_grad);

  float at_end = through;
  for (int64_t i = 0; i < d.rows; ++i) {
    exponent_grad[i] += from_state[i] - to_state[i];
    at_end += to_state[i];
  }
  exponent_grad[d.rows - 1] += at_end;
  store_ddt<T>(g, piece, chunk.head, d, exponent_grad, delta_grad, sums);
}

template <typename T>
void grad_head(const SsdGrad& g, const SsdHeadChunk& chunk, float* memory) {
  const Ssd& s = g.ssd;
  const int64_t pieces = (chunk.rows + s.piece_rows - 1) / s.piece_rows;
  const HeadScratch scratch(s, pieces, memory);
  remake_states<T>(s, chunk, scratch);
  HeadSums sums;
  for (int64_t q = pieces; q-- > 0;) grad_piece<T>(g, chunk, q, scratch, sums);
  float lane[kLanes];
  store(lane, exp(broadcast(s.a_log[chunk.head])));
  const auto add = [&](float* total, float part) {
    total[chunk.head] = chunk.first ? part : total[chunk.head] + part;
  };
  add(g.da_log, -lane[0] * sums.a);
  add(g.dd, sums.d);
  add(g.ddt_bias, sums.dt_bias);
}

template <typename T>
void grad_group(const SsdGrad& g, const SsdPiece& piece, int64_t group, const Scores& scores,
                const Scores& grads, int64_t sets, int64_t stride, float* panels) {
  const Ssd& s = g.ssd;
  const int64_t floats = piece.rows * s.states;
  const auto add_up = [&](float* total, int64_t n) {
    lanes(0, n, [&](int64_t i, auto w) {
      Vec v = load(total + i, w);
      for (int64_t set = 1; set < sets; ++set) v = v + load(total + set * stride + i, w);
      store(total + i, v, w);
    });
  };
  add_up(grads.b, floats);
  add_up(grads.c, floats);
  add_up(grads.cb, piece.rows * s.piece_rows);
  pack_rows(scores.b, s.states, nullptr, piece.rows, s.states, panels);
  multiply_lower<false>(piece.rows, s.states, grads.cb, s.piece_rows, panels, grads.c, s.states);
  pack_rows(scores.c, s.states, nullptr, piece.rows, s.states, panels);
  multiply_lower<true>(piece.rows, s.states, grads.cb, s.piece_rows, panels, grads.b, s.states);
  T* const db =
      static_cast<T*>(g.dxbc) + piece.row * s.xbc_stride + s.heads * s.head_columns + group * s.states;
  T* const dc = db + s.groups * s.states;
  for (int64_t i = 0; i < piece.rows; ++i) {
    convert(grads.b + i * s.states, db + i * s.xbc_stride, s.states);
    convert(grads.c + i * s.states, dc + i * s.xbc_stride, s.states);
  }
}

}  // namespace

void ssd_grad_head(const SsdGrad& g, const SsdHeadChunk& chunk, float* scratch) {
  g.ssd.bf16 ? grad_head<Bf16>(g, chunk, scratch) : grad_head<float>(g, chunk, scratch);
}

void ssd_grad_group(const SsdGrad& g, const SsdPiece& piece, int64_t group, float* scores, float* score_grads,
                    int64_t sets, int64_t stride, float* scratch) {
  const Scores in(g.ssd, scores), grads(g.ssd, score_grads);
  g.ssd.bf16 ? grad_group<Bf16>(g, piece, group, in, grads, sets, stride, scratch)
             : grad_group<float>(g, piece, group, in, grads, sets, stride, scratch);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
