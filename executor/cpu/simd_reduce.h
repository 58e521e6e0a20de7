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

}  // namespace tidemark::cpu::TIDEMARK_ISA_NS
