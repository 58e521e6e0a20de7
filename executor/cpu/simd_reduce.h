// Sums and maxima over ranges, always in the same order.
#pragma once

#include "executor/cpu/simd.h"

namespace tidemark::cpu::TIDEMARK_ISA_NS {

/// The sum of the vectors fn(i, width) that begin at elements i of [0, n); lanes past n must be zero, as
/// in products of what load returns. Four chains hide the latency of an addition.
template <typename F>
inline float sum_over(int64_t n, F&& fn) {
  Vec acc[4] = {zero(), zero(), zero(), zero()};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) acc[j] = acc[j] + fn(i + j * kLanes, Full{});
  lanes(i, n, [&](int64_t at, auto w) { acc[0] = acc[0] + fn(at, w); });
  return sum((acc[0] + acc[1]) + (acc[2] + acc[3]));
}

/// p[0, 4) = the sums of the four vectors' lanes.
inline void store_sums(float* p, Vec a, Vec b, Vec c, Vec d) {
#if defined(__AVX512F__)
  const auto fold = [](Vec v) {
    return _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  };
#else
  const auto fold = [](Vec v) { return v; };
#endif
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(fold(a), fold(b)), _mm256_hadd_ps(fold(c), fold(d)));
  _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
}

}  // namespace tidemark::cpu::TIDEMARK_ISA_NS
