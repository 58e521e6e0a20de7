#include "executor/ops/ssd_pieces.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

template <typename T>
void make_scores(const Ssd& s, const SsdPiece& piece, int64_t group, const Scores& out, float* packed) {
  const T* b =
      static_cast<const T*>(s.xbc) + piece.row * s.xbc_stride + s.heads * s.head_columns + group * s.states;
  const T* c = b + s.groups * s.states;
  for (int64_t i = 0; i < piece.rows; ++i) {
    convert(b + i * s.xbc_stride, out.b + i * s.states, s.states);
    convert(c + i * s.xbc_stride, out.c + i * s.states, s.states);
  }
  pack_transposed(out.b, s.states, s.states, piece.rows, packed);
  multiply_to_lower(piece.rows, s.states, out.c, s.states, packed, out.cb, s.piece_rows);
}

/// decayed[i][j] = scores[i][j] times the decay from row j to row i, zero where j is not before i in i's
/// sequence.
void decay_scores(const Ssd& s, const Decays& d, const float* scores, float* decayed) {
  for (int64_t i = 0; i < d.rows; ++i, scores += s.piece_rows, decayed += s.piece_rows) {
    lanes(0, d.first[i], [&](int64_t j, auto w) { store(decayed + j, zero(), w); });
    lanes(d.first[i], i + 1, [&](int64_t j, auto w) {
      const Vec decay = exp2_of_negative(broadcast(d.exponent[i]) - load(d.exponent + j, w));
      store(decayed + j, decay * load(scores + j, w), w);
    });
    lanes(i + 1, d.rows, [&](int64_t j, auto w) { store(decayed + j, zero(), w); });
  }
}

template <typename T>
void head_piece(const Ssd& s, const SsdPiece& piece, int64_t head, const Scores& scores, float* state,
                void* out, float* scratch) {
  const Decays d = Decays::of<T>(s, piece, head);
  const int64_t matrix = s.piece_rows * s.padded_columns, columns = s.head_columns, ld = s.padded_columns;
  float* const x = scratch;
  float* const ending = x + matrix;
  float* const y = ending + matrix;
  float* const decayed = y + matrix;
  const T* x_rows = head_columns<T>(s, s.xbc, s.xbc_stride, piece.row, head);
  float factor[kSsdPieceRows];
  for (int64_t i = 0; i < d.rows; ++i) factor[i] = d.delta[i] * d.to_end[i];
  pack_scaled(x_rows, s.xbc_stride, d.rows, columns, d.delta, x);
  pack_scaled(x_rows, s.xbc_stride, d.rows, columns, factor, ending);

  multiply<Layout::rows>(d.rows, columns, s.states, scores.c, s.states, state, y, ld, {});
  for (int64_t i = 0; i < d.rows; ++i)
    lanes(0, columns, [&](int64_t p, auto w) {
      store(y + i * ld + p, broadcast(d.from_before[i]) * load(y + i * ld + p, w), w);
    });
  decay_scores(s, d, scores.cb, decayed);
  multiply_lower<false>(d.rows, columns, decayed, s.piece_rows, x, y, ld);
  move_state(s, d.rows, d.carried, scores.b, ending, state);

  const Vec skip = broadcast(s.d[head]);
  for (int64_t i = 0; i < d.rows; ++i) {
    T* const to = static_cast<T*>(out) + ((piece.row + i) * s.heads + head) * columns;
    lanes(0, columns, [&](int64_t p, auto w) {
      store(to + p, fma(skip, load(x_rows + i * s.xbc_stride + p, w), load(y + i * ld + p, w)), w);
    });
  }
}

}  // namespace

void ssd_scores(const Ssd& s, const SsdPiece& piece, int64_t group, float* scores, float* scratch) {
  const Scores out(s, scores);
  s.bf16 ? make_scores<Bf16>(s, piece, group, out, scratch)
         : make_scores<float>(s, piece, group, out, scratch);
}

void ssd_head_piece(const Ssd& s, const SsdPiece& piece, int64_t head, float* scores, float* state, void* y,
                    float* scratch) {
  const Scores in(s, scores);
  s.bf16 ? head_piece<Bf16>(s, piece, head, in, state, y, scratch)
         : head_piece<float>(s, piece, head, in, state, y, scratch);
}

void ssd_store_state(const Ssd& s, const float* panels, float* state) {
  for (int64_t j = 0; j < s.head_columns; j += kTileColumns)
    for (int64_t n = 0; n < s.states; ++n)
      convert(panels + j * s.states + n * kTileColumns, state + n * s.head_columns + j,
              smaller(kTileColumns, s.head_columns - j));
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
