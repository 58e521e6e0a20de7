#include "executor/ops/rope.h"

#include "executor/cpu/simd.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

/// Neighbours x[2 i] and x[2 i + 1], one after the other.
template <typename T>
void turn_neighbours(const Rope& r, const float* cosines, const float* sines, const T* x, T* y) {
  for (int64_t i = 0; i < r.pairs; ++i) {
    const float c = cosines[i], s = r.inverse ? -sines[i] : sines[i];
    const float a = to_float(x[2 * i]), b = to_float(x[2 * i + 1]);
    const float turned[2] = {__builtin_fmaf(-b, s, a * c), __builtin_fmaf(a, s, b * c)};
    convert(turned, y + 2 * i, 2);
  }
}

template <typename T>
void turn_halves(const Rope& r, const float* cosines, const float* sines, const T* x, T* y) {
  lanes(0, r.pairs, [&](int64_t i, auto w) {
    const Vec c = load(cosines + i, w);
    const Vec s = r.inverse ? -load(sines + i, w) : load(sines + i, w);
    const Vec a = load(x + i, w), b = load(x + r.pairs + i, w);
    store(y + i, fnma(b, s, a * c), w);
    store(y + r.pairs + i, fma(a, s, b * c), w);
  });
}

template <typename T>
void turn_rows(const Rope& r, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* cosines = r.table + row * 2 * r.pairs;
    const float* sines = cosines + r.pairs;
    for (int64_t head = row * r.heads; head < (row + 1) * r.heads; ++head) {
      const T* x = static_cast<const T*>(r.x) + head * r.head_columns + r.first;
      T* y = static_cast<T*>(r.y) + head * r.head_columns + r.first;
      if (r.interleaved)
        turn_neighbours(r, cosines, sines, x, y);
      else
        turn_halves(r, cosines, sines, x, y);
      if (x == y) continue;
      convert(x - r.first, y - r.first, r.first);
      convert(x + 2 * r.pairs, y + 2 * r.pairs, r.head_columns - r.first - 2 * r.pairs);
    }
  }
}

}  // namespace

void rope_rows(const Rope& r, int64_t begin, int64_t end) {
  r.bf16 ? turn_rows<Bf16>(r, begin, end) : turn_rows<float>(r, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
