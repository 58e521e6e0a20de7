#include "executor/ops/rope.h"

#include "executor/cpu/simd.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

#if defined(__AVX512F__)
/// Lanes 0 0 1 1 2 2 ...
Vec each_twice(Vec v) {
  return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), v);
}
/// Lanes 1 0 3 2 ...
Vec neighbours_swapped(Vec v) {
  return _mm512_permute_ps(v, 0xB1);
}
#else
Vec each_twice(Vec v) {
  return _mm256_permutevar8x32_ps(v, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}
Vec neighbours_swapped(Vec v) {
  return _mm256_permute_ps(v, 0xB1);
}
#endif

Part half(Full) {
  return {kLanes / 2};
}
Part half(Part part) {
  return {part.n / 2};
}

/// Neighbours x[2 i] and x[2 i + 1].
template <typename T>
void turn_neighbours(const Rope& r, const float* cosines, const float* sines, const T* x, T* y) {
  alignas(64) static constexpr float kSigns[16] = {-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1};
  const Vec signs = r.inverse ? -load(kSigns) : load(kSigns);
  lanes(0, 2 * r.pairs, [&](int64_t i, auto w) {
    const Vec c = each_twice(load(cosines + i / 2, half(w)));
    const Vec s = each_twice(load(sines + i / 2, half(w))) * signs;
    const Vec v = load(x + i, w);
    store(y + i, fma(neighbours_swapped(v), s, v * c), w);
  });
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
