#include "executor/ops/cross_entropy.h"

#include "executor/cpu/simd_math.h"
#include "executor/cpu/simd_reduce.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

void softmax_row(float* x, int64_t n, bool keep, float* largest, float* sum) {
  Vec top[2] = {load(x), load(x)};
  for (int64_t i = 0; i < n; i += 2 * kLanes) {
    top[0] = max(top[0], load(x + i));
    if (i + kLanes < n) top[1] = max(top[1], load(x + i + kLanes));
  }
  *largest = cpu::TIDEMARK_ISA_NS::largest(max(top[0], top[1]));
  const Vec shift = broadcast(*largest);
  *sum = sum_over(n, [&](int64_t i, auto) {
    const Vec e = exp(load(x + i) - shift);
    if (keep) store(x + i, e);
    return e;
  });
}

void sum_row(const float* x, int64_t n, float* sum) {
  *sum = sum_over(n, [&](int64_t i, auto w) { return load(x + i, w); });
}

void scale_row(float* x, int64_t n, float factor, float offset) {
  for (int64_t i = 0; i < n; i += kLanes)
    store(x + i, fma(load(x + i), broadcast(factor), broadcast(offset)));
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
