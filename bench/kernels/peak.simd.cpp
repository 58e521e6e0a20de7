#include "bench/kernels/peak.h"

#include "executor/cpu/simd.h"

namespace tidemark::bench::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

double multiply_add(int64_t rounds, float* result) {
  constexpr int kChains = 12;
  Vec acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = broadcast(static_cast<float>(i));
  const Vec factor = broadcast(0.999f), term = broadcast(1e-3f);
  for (int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = fma(acc[i], factor, term);
  Vec total = zero();
  for (int i = 0; i < kChains; ++i) total = total + acc[i];
  *result = sum(total);
  return 2.0 * kChains * kLanes * static_cast<double>(rounds);
}

}  // namespace tidemark::bench::TIDEMARK_ISA_NS
