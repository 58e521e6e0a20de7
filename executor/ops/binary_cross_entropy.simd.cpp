#include "executor/ops/binary_cross_entropy.h"

#include "executor/cpu/simd_math.h"
#include "executor/cpu/simd_reduce.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
void loss_rows(const BinaryCrossEntropy& b, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const T* logits = static_cast<const T*>(b.logits) + row * b.columns;
    const T* targets = static_cast<const T*>(b.targets) + row * b.columns;
    b.nll[row] = sum_over(b.columns, [&](int64_t i, auto w) {
      const Vec logit = load(logits + i, w);
      const Vec linear = fnma(logit, load(targets + i, w), max(zero(), logit));  // 0 where it is right
      return first_lanes(linear + softplus(-abs(logit)), w);
    });
    if (!b.dlogits) continue;
    T* dlogits = static_cast<T*>(b.dlogits) + row * b.columns;
    const Vec scale = broadcast(b.grad_scale);
    lanes(0, b.columns, [&](int64_t i, auto w) {
      store(dlogits + i, (sigmoid(load(logits + i, w)) - load(targets + i, w)) * scale, w);
    });
  }
}

}  // namespace

void binary_cross_entropy_rows(const BinaryCrossEntropy& b, int64_t begin, int64_t end) {
  b.bf16 ? loss_rows<Bf16>(b, begin, end) : loss_rows<float>(b, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
