#include "executor/ops/retention.h"

#include "executor/cpu/gemm_micro.h"
#include "executor/cpu/simd_reduce.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;
using cpu::kRetentionPieceRows;

namespace {

/// Rows [row, row + rows), and how a head's state decays among them.
struct Piece {
  int64_t row, rows;
  float from_before[kRetentionPieceRows];  ///< of the state before the piece, 0 if of another sequence
  float to_end[kRetentionPieceRows];       ///< from the row to the end of the piece, likewise
  float decays[kRetentionPieceRows];       ///< powers from the highest to the 0th, as along a row of scores
  int64_t first[kRetentionPieceRows];      ///< row at which the row's sequence begins, at least 0
  float carried;                           ///< from before the piece to its end

  Piece(const Retention& r, int64_t head, int64_t begin, int64_t count) : row(begin), rows(count) {
    float powers[kRetentionPieceRows + 1];
    double power = 1;
    for (int64_t i = 0; i <= rows; ++i, power *= r.decays[head]) powers[i] = static_cast<float>(power);
    for (int64_t i = 0; i < rows; ++i) decays[i] = powers[rows - 1 - i];
    const uint64_t starts = starts_among(r.sequences, row, rows);
    int64_t latest = 0;
    for (int64_t i = 0; i < rows; ++i) {
      if (starts >> i & 1) latest = i;
      first[i] = latest;
      from_before[i] = starts & ((uint64_t{2} << i) - 1) ? 0 : powers[i + 1];
    }
    for (int64_t i = 0; i < rows; ++i) to_end[i] = i < latest ? 0 : powers[rows - 1 - i];
    carried = starts ? 0 : powers[rows];
  }
};

/// Scratch memory, taken piece by piece.
class Memory {
 public:
  explicit Memory(float* at) : at_(at) {}
  float* take(int64_t floats) {
    float* const taken = at_;
    at_ += floats;
    return taken;
  }

 private:
  float* at_;
};

/// Columns of the head of x [rows, heads * columns] as f32 rows of `ld`, times a factor.
template <typename T>
void load_rows(const Piece& p, const void* x, int64_t heads, int64_t head, int64_t columns, float factor,
               float* out, int64_t ld) {
  for (int64_t i = 0; i < p.rows; ++i) {
    const T* row = static_cast<const T*>(x) + ((p.row + i) * heads + head) * columns;
    lanes(0, columns,
          [&](int64_t j, auto w) { store(out + i * ld + j, broadcast(factor) * load(row + j, w), w); });
  }
}

template <typename T>
void store_rows(const Piece& p, const float* in, int64_t ld, int64_t heads, int64_t head, int64_t columns,
                float factor, void* x) {
  for (int64_t i = 0; i < p.rows; ++i) {
    T* row = static_cast<T*>(x) + ((p.row + i) * heads + head) * columns;
    lanes(0, columns,
          [&](int64_t j, auto w) { store(row + j, broadcast(factor) * load(in + i * ld + j, w), w); });
  }
}

/// out[i] = factor[i] in[i], rows of n.
void scale_rows(int64_t rows, int64_t n, const float* factor, const float* in, float* out) {
  for (int64_t i = 0; i < rows; ++i)
    lanes(i * n, (i + 1) * n,
          [&](int64_t j, auto w) { store(out + j, broadcast(factor[i]) * load(in + j, w), w); });
}

/// scores[i][j] times the decay from row j to row i, zero where j is not in i's sequence up to it.
void decay_scores(const Piece& p, float* scores, int64_t ld) {
  for (int64_t i = 0; i < p.rows; ++i) {
    float* const row = scores + i * ld;
    const float* const decays = p.decays + (p.rows - 1 - i);
    const auto clear = [row](int64_t j, auto w) { store(row + j, zero(), w); };
    lanes(0, p.first[i], clear);
    lanes(p.first[i], i + 1,
          [&](int64_t j, auto w) { store(row + j, load(row + j, w) * load(decays + j, w), w); });
    lanes(i + 1, p.rows, clear);
  }
}

/// state[keys, ld] = carried state + the sum of factor[i] left[i] right[i]^T; `scaled` and `packed` are
/// scratch.
void move_state(const Piece& p, int64_t keys, int64_t values, const float* factor, const float* left,
                const float* right, int64_t ld, float* state, float* scaled, float* packed) {
  scale_rows(p.rows, keys, factor, left, scaled);
  pack_rows(right, ld, nullptr, p.rows, values, packed);
  lanes(0, keys * ld,
        [&](int64_t i, auto w) { store(state + i, broadcast(p.carried) * load(state + i, w), w); });
  multiply<Layout::columns>(keys, values, p.rows, scaled, keys, packed, state, ld, {state, ld});
}

/// The same with ones in place of `right`: a state of one column.
void move_sums(const Piece& p, int64_t keys, const float* left, float* sums) {
  lanes(0, keys, [&](int64_t j, auto w) {
    Vec sum = broadcast(p.carried) * load(sums + j, w);
    for (int64_t i = 0; i < p.rows; ++i) sum = fma(broadcast(p.to_end[i]), load(left + i * keys + j, w), sum);
    store(sums + j, sum, w);
  });
}

/// How far the row is into its sequence.
int64_t place_in_sequence(const Retention& r, int64_t row) {
  return row - r.sequences.cu_seqlens[sequence_at(r.sequences, row)];
}

/// What the row's sum over v is multiplied with: decays are normalised by the root of their sum, then the row
/// by the sum of its scores, if that is large (Sun et al. 2023, section 2.1).
float normalizer_of(const Retention& r, int64_t head, int64_t row, float score_sum) {
  const double decay = r.decays[head];
  const double decays =
      (1 - __builtin_pow(decay, static_cast<double>(place_in_sequence(r, row) + 1))) / (1 - decay);
  const double root = __builtin_sqrt(decays), size = __builtin_fabs(double{score_sum}) / root;
  return static_cast<float>(1 / (root * (size < 1 ? 1 : size > 5e4 ? 5e4 : size)));
}

template <typename T>
void forward(const Retention& r, int64_t head, void* out, float* normalizer, float* states, float* scratch) {
  const cpu::RetentionShape& s = r.shape;
  const int64_t keys = s.key_columns, values = s.value_columns;
  Memory memory(scratch);
  float* const q = memory.take(r.space.keys);
  float* const k = memory.take(r.space.keys);
  float* const scaled = memory.take(r.space.keys);
  float* const v = memory.take(r.space.values);
  float* const o = memory.take(r.space.values);
  float* const scores = memory.take(r.space.scores);
  float* const packed = memory.take(r.space.packed);
  float* const state = memory.take(r.space.state);
  float* const sums = state + keys * values;  // what the state would be of a column of ones in v
  const int64_t score_ld = s.piece_rows();
  lanes(0, keys * (values + 1), [&](int64_t i, auto w) { store(state + i, zero(), w); });
  for (int64_t begin = 0; begin < r.rows; begin += r.chunk_rows) {
    const int64_t end = smaller(begin + r.chunk_rows, r.rows);
    float* saved = states + (begin / r.chunk_rows * s.heads + head) * keys * (values + 1);
    for (int64_t i = 0; i < keys; ++i, saved += values + 1) {
      convert(state + i * values, saved, values);
      saved[values] = sums[i];
    }
    for (int64_t row = begin; row < end; row += score_ld) {
      const Piece p(r, head, row, smaller(score_ld, end - row));
      load_rows<T>(p, r.q, s.heads, head, keys, 1, q, keys);
      load_rows<T>(p, r.k, s.heads, head, keys, r.scale, k, keys);
      load_rows<T>(p, r.v, s.heads, head, values, 1, v, values);

      scale_rows(p.rows, keys, p.from_before, q, scaled);
      pack_rows(state, values, nullptr, keys, values, packed);
      multiply<Layout::rows>(p.rows, values, keys, scaled, keys, packed, o, values, {});
      pack_transposed(k, keys, keys, p.rows, packed);
      multiply<Layout::rows>(p.rows, p.rows, keys, q, keys, packed, scores, score_ld, {});
      decay_scores(p, scores, score_ld);
      pack_rows(v, values, nullptr, p.rows, values, packed);
      multiply<Layout::rows>(p.rows, values, p.rows, scores, score_ld, packed, o, values, {o, values});

      float factor[kRetentionPieceRows];
      for (int64_t i = 0; i < p.rows; ++i) {
        const float before = sum_over(
            keys, [&](int64_t j, auto w) { return load(scaled + i * keys + j, w) * load(sums + j, w); });
        const float within =
            sum_over(p.rows, [&](int64_t j, auto w) { return load(scores + i * score_ld + j, w); });
        factor[i] = normalizer_of(r, head, row + i, before + within);
        normalizer[(row + i) * s.heads + head] = factor[i];
      }
      scale_rows(p.rows, values, factor, o, o);
      store_rows<T>(p, o, values, s.heads, head, values, 1, out);

      move_state(p, keys, values, p.to_end, k, v, values, state, scaled, packed);
      move_sums(p, keys, k, sums);
    }
  }
}

/// One head on its way back.
template <typename T>
class Backward {
 public:
  Backward(const RetentionGrad& grad, int64_t h, float* scratch)
      : g(grad), r(grad.retention), s(r.shape), head(h), keys(s.key_columns), values(s.value_columns) {
    Memory memory(scratch);
    for (float** matrix : {&q, &k, &scaled_keys, &key_out}) *matrix = memory.take(r.space.keys);
    for (float** matrix : {&v, &dout, &scaled_values, &value_out}) *matrix = memory.take(r.space.values);
    scores = memory.take(r.space.scores);
    score_grads = memory.take(r.space.scores);
    packed = memory.take(r.space.packed);
    state_grad = memory.take(r.space.state);
    states = memory.take(s.pieces() * r.space.state);
  }

  void run() {
    lanes(0, keys * values, [&](int64_t i, auto w) { store(state_grad + i, zero(), w); });
    for (int64_t chunk = (r.rows - 1) / r.chunk_rows; chunk >= 0; --chunk) {
      const int64_t begin = chunk * r.chunk_rows, end = smaller(begin + r.chunk_rows, r.rows);
      const int64_t step = s.piece_rows(), pieces = (end - begin + step - 1) / step;
      const auto piece = [&](int64_t n) {
        return Piece(r, head, begin + n * step, smaller(step, end - begin - n * step));
      };
      load_state(chunk);
      for (int64_t n = 0; n + 1 < pieces; ++n) remake_state(piece(n), n);
      for (int64_t n = pieces; n-- > 0;) differentiate(piece(n), states + n * r.space.state);
    }
  }

 private:
  /// Before the chunk, without the column for the normaliser.
  void load_state(int64_t chunk) {
    const float* saved = g.states + (chunk * s.heads + head) * keys * (values + 1);
    for (int64_t i = 0; i < keys; ++i) convert(saved + i * (values + 1), states + i * values, values);
  }
  void load_piece(const Piece& p) {
    load_rows<T>(p, r.k, s.heads, head, keys, r.scale, k, keys);
    load_rows<T>(p, r.v, s.heads, head, values, 1, v, values);
  }
  /// After piece n, from the one before it.
  void remake_state(const Piece& p, int64_t n) {
    load_piece(p);
    float* const before = states + n * r.space.state;
    float* const after = before + r.space.state;
    convert(before, after, keys * values);
    move_state(p, keys, values, p.to_end, k, v, values, after, scaled_keys, packed);
  }

  /// The gradients of q, k and v, and from the gradient of the state after the piece that of the one before
  /// it.
  void differentiate(const Piece& p, const float* state) {
    const int64_t ld = s.piece_rows();
    load_piece(p);
    load_rows<T>(p, r.q, s.heads, head, keys, 1, q, keys);
    load_rows<T>(p, g.dout, s.heads, head, values, 1, dout, values);
    float factor[kRetentionPieceRows];
    for (int64_t i = 0; i < p.rows; ++i) factor[i] = g.normalizer[(p.row + i) * s.heads + head];
    scale_rows(p.rows, values, factor, dout, dout);
    pack_transposed(k, keys, keys, p.rows, packed);
    multiply<Layout::rows>(p.rows, p.rows, keys, q, keys, packed, scores, ld, {});
    decay_scores(p, scores, ld);
    pack_transposed(v, values, values, p.rows, packed);
    multiply<Layout::rows>(p.rows, p.rows, values, dout, values, packed, score_grads, ld, {});
    decay_scores(p, score_grads, ld);

    // q: through the scores, and from the state before.
    pack_rows(k, keys, nullptr, p.rows, keys, packed);
    multiply<Layout::rows>(p.rows, keys, p.rows, score_grads, ld, packed, key_out, keys, {});
    scale_rows(p.rows, values, p.from_before, dout, scaled_values);
    pack_transposed(state, values, values, keys, packed);
    multiply<Layout::rows>(p.rows, keys, values, scaled_values, values, packed, key_out, keys,
                           {key_out, keys});
    store_rows<T>(p, key_out, keys, s.heads, head, keys, 1, g.dq);

    // k: through the scores, and into the state after.
    pack_rows(q, keys, nullptr, p.rows, keys, packed);
    multiply<Layout::columns>(p.rows, keys, p.rows, score_grads, ld, packed, key_out, keys, {});
    scale_rows(p.rows, values, p.to_end, v, scaled_values);
    pack_transposed(state_grad, values, values, keys, packed);
    multiply<Layout::rows>(p.rows, keys, values, scaled_values, values, packed, key_out, keys,
                           {key_out, keys});
    store_rows<T>(p, key_out, keys, s.heads, head, keys, r.scale, g.dk);

    // v, likewise.
    pack_rows(dout, values, nullptr, p.rows, values, packed);
    multiply<Layout::columns>(p.rows, values, p.rows, scores, ld, packed, value_out, values, {});
    scale_rows(p.rows, keys, p.to_end, k, scaled_keys);
    pack_rows(state_grad, values, nullptr, keys, values, packed);
    multiply<Layout::rows>(p.rows, values, keys, scaled_keys, keys, packed, value_out, values,
                           {value_out, values});
    store_rows<T>(p, value_out, values, s.heads, head, values, 1, g.dv);

    move_state(p, keys, values, p.from_before, q, dout, values, state_grad, scaled_keys, packed);
  }

  const RetentionGrad& g;
  const Retention& r;
  const cpu::RetentionShape& s;
  int64_t head, keys, values;
  float *q, *k, *scaled_keys, *key_out, *v, *dout, *scaled_values, *value_out;
  float *scores, *score_grads, *packed, *state_grad, *states;
};

}  // namespace

void retention_head(const Retention& r, int64_t head, void* out, float* normalizer, float* states,
                    float* scratch) {
  r.bf16 ? forward<Bf16>(r, head, out, normalizer, states, scratch)
         : forward<float>(r, head, out, normalizer, states, scratch);
}

void retention_grad_head(const RetentionGrad& g, int64_t head, float* scratch) {
  g.retention.bf16 ? Backward<Bf16>(g, head, scratch).run() : Backward<float>(g, head, scratch).run();
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
