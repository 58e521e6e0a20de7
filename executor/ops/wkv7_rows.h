// What RWKV-7's recurrence and its gradient share: a chunk's rows as the recurrence takes them, and a step.
#pragma once

#include "executor/cpu/simd_math.h"
#include "executor/cpu/simd_reduce.h"
#include "executor/ops/wkv7.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;
using cpu::kWkv7Values;

/// -exp(-1/2): the decay is the exponential of this times a sigmoid.
inline constexpr float kLogDecay = -0.606530659712633424f;
/// Least norm that a key's direction is divided by.
inline constexpr float kLeastNorm = 1e-12f;
/// Values that a step takes at once: as many sums end in one store.
inline constexpr int64_t kStepValues = 4;

/// fn(i, width) for all vectors of `padded` columns, of which n are there.
template <typename F>
inline void padded_lanes(int64_t n, int64_t padded, F&& fn) {
  for (int64_t i = 0; i < padded; i += kLanes) {
    if (i + kLanes <= n)
      fn(i, Full{});
    else
      fn(i, Part{static_cast<int>(i < n ? n - i : 0)});
  }
}

/// Scratch memory, taken piece by piece.
class Wkv7Memory {
 public:
  explicit Wkv7Memory(float* at) : at_(at) {}
  float* take(int64_t floats) {
    float* const taken = at_;
    at_ += floats;
    return taken;
  }

 private:
  float* at_;
};

inline void fill_zero(float* p, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) store(p + i, zero());
}

/// A chunk of a head: S' = S (diag(w) + a b^T) + v k^T, y = S' r. Rows are padded; values and keys past the
/// head's columns are zero, and so is the state there.
struct Wkv7Rows {
  int64_t columns, padded;
  float *r, *w, *k, *v, *a, *b;
  float* inverse_norm;  ///< of k k_k, one per row

  Wkv7Rows(const Wkv7& s, Wkv7Memory& memory)
      : columns(s.shape.head_columns), padded(s.shape.padded_columns()) {
    float** const operands[] = {&r, &w, &k, &v, &a, &b};
    for (float** operand : operands) *operand = memory.take(s.space.rows);
    inverse_norm = memory.take(s.space.factors);
  }
};

/// Of row `row` and the head's first column.
inline int64_t element(const Wkv7& s, int64_t head, int64_t row) {
  return (row * s.shape.heads + head) * s.shape.head_columns;
}

template <typename T>
void load_chunk(const Wkv7& s, int64_t head, int64_t row, int64_t rows, const Wkv7Rows& to) {
  const Vec one = broadcast(1);
  const T* const k_k = static_cast<const T*>(s.k_k) + head * to.columns;
  const T* const k_a = static_cast<const T*>(s.k_a) + head * to.columns;
  for (int64_t t = 0; t < rows; ++t) {
    const int64_t from = element(s, head, row + t), at = t * to.padded;
    const T* const k = static_cast<const T*>(s.k) + from;
    Vec squares = zero();
    lanes(0, to.columns, [&](int64_t i, auto w) {
      const Vec key = load(k + i, w) * load(k_k + i, w);
      squares = fma(key, key, squares);
    });
    const float norm = __builtin_sqrtf(sum(squares));
    to.inverse_norm[t] = 1 / (norm < kLeastNorm ? kLeastNorm : norm);
    const Vec inverse = broadcast(to.inverse_norm[t]);
    padded_lanes(to.columns, to.padded, [&](int64_t i, auto w) {
      const Vec key = load(k + i, w), direction = key * load(k_k + i, w) * inverse;
      const Vec rate = sigmoid(load(static_cast<const T*>(s.a) + from + i, w));
      const Vec decay = sigmoid(load(static_cast<const T*>(s.w) + from + i, w));
      store(to.r + at + i, load(static_cast<const T*>(s.r) + from + i, w));
      store(to.w + at + i, exp(broadcast(kLogDecay) * decay));
      store(to.k + at + i, fma(key * (rate - one), load(k_a + i, w), key));
      store(to.v + at + i, load(static_cast<const T*>(s.v) + from + i, w));
      store(to.a + at + i, -direction);
      store(to.b + at + i, direction * rate);
    });
  }
}

/// products[i] = the state's row of value i times `a`, for so many values.
inline void times_a(const float* state, const float* a, int64_t values, int64_t padded, float* products) {
  for (int64_t i = 0; i < values; i += kStepValues) {
    Vec acc[kStepValues] = {zero(), zero(), zero(), zero()};
    for (int64_t j = 0; j < padded; j += kLanes)
#pragma GCC unroll 4
      for (int64_t q = 0; q < kStepValues; ++q)
        acc[q] = fma(load(state + (i + q) * padded + j), load(a + j), acc[q]);
    store_sums(products + i, acc[0], acc[1], acc[2], acc[3]);
  }
}

/// The state after row t from the one before and its products with the row's `a`, for so many values from
/// `first` on, whose parts all but `rows` hold. Also the products with row `next`'s `a` and, where kOutput,
/// y.
template <bool kOutput>
inline void advance(const Wkv7Rows& rows, int64_t t, int64_t next, int64_t first, int64_t values,
                    const float* before, const float* products, float* after, float* next_products,
                    float* y) {
  const int64_t padded = rows.padded, at = t * padded;
  const float *const v = rows.v + at + first, *const a = rows.a + next * padded;
  for (int64_t i = 0; i < values; i += kStepValues) {
    Vec along[kStepValues], value[kStepValues], out[kStepValues], product[kStepValues];
#pragma GCC unroll 4
    for (int64_t q = 0; q < kStepValues; ++q) {
      along[q] = broadcast(products[i + q]);
      value[q] = broadcast(v[i + q]);
      out[q] = product[q] = zero();
    }
    for (int64_t j = 0; j < padded; j += kLanes) {
      const Vec decay = load(rows.w + at + j), b = load(rows.b + at + j), k = load(rows.k + at + j);
      const Vec next_a = load(a + j), r = load(rows.r + at + j);
#pragma GCC unroll 4
      for (int64_t q = 0; q < kStepValues; ++q) {
        const int64_t entry = (i + q) * padded + j;
        const Vec state = fma(load(before + entry), decay, fma(along[q], b, value[q] * k));
        store(after + entry, state);
        product[q] = fma(state, next_a, product[q]);
        if constexpr (kOutput) out[q] = fma(state, r, out[q]);
      }
    }
    store_sums(next_products + i, product[0], product[1], product[2], product[3]);
    if constexpr (kOutput) store_sums(y + i, out[0], out[1], out[2], out[3]);
  }
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
