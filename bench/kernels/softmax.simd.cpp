#include "bench/kernels/softmax.h"

#include <math.h>

#include "executor/cpu/simd_math.h"

namespace tidemark::bench::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

void softmax_rows(float* scores, int64_t rows, int64_t columns, bool causal, float scale) {
  const Vec factor = broadcast(scale);
  for (int64_t r = 0; r < rows; ++r, scores += columns) {
    const int64_t n = causal ? r + 1 : columns;
    for (int64_t j = n; j < columns; ++j) scores[j] = -INFINITY;
    Vec top = broadcast(-INFINITY), total = zero();
    for (int64_t j = 0; j < columns; j += kLanes) top = max(top, factor * load(scores + j));
    const Vec highest = broadcast(largest(top));
    for (int64_t j = 0; j < columns; j += kLanes) {
      const Vec e = exp(fma(factor, load(scores + j), -highest));
      total = total + e;
      store(scores + j, e);
    }
    const Vec share = broadcast(1 / sum(total));
    for (int64_t j = 0; j < columns; j += kLanes) store(scores + j, share * load(scores + j));
  }
}

}  // namespace tidemark::bench::TIDEMARK_ISA_NS
