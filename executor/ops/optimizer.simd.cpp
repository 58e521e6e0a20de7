#include "executor/ops/optimizer.h"

#include "executor/cpu/simd_reduce.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
void update(const AdamW& a, int64_t begin, int64_t end) {
  T* param = static_cast<T*>(a.param);
  const T* grad = static_cast<const T*>(a.grad);
  const Vec new1 = broadcast(1 - a.beta1), new2 = broadcast(1 - a.beta2);
  lanes(begin, end, [&](int64_t i, auto w) {
    const Vec g = load(grad + i, w) * broadcast(a.grad_scale);
    const Vec m = fma(broadcast(a.beta1), load(a.m + i, w), new1 * g);
    const Vec v = fma(broadcast(a.beta2), load(a.v + i, w), new2 * (g * g));
    const Vec p = a.master ? load(a.master + i, w) : load(param + i, w);
    const Vec denominator = sqrt(v * broadcast(a.v_correction)) + broadcast(a.epsilon);
    const Vec next = fnma(broadcast(a.step), m / denominator, p * broadcast(a.decay));
    store(a.m + i, m, w);
    store(a.v + i, v, w);
    if (a.master) store(a.master + i, next, w);
    store(param + i, next, w);
  });
}

template <typename T>
float squares(const T* x, int64_t n) {
  return sum_over(n, [&](int64_t i, auto w) {
    const Vec v = load(x + i, w);
    return v * v;
  });
}

}  // namespace

void adamw_range(const AdamW& a, int64_t begin, int64_t end) {
  a.bf16 ? update<Bf16>(a, begin, end) : update<float>(a, begin, end);
}

float sum_of_squares(bool bf16, const void* x, int64_t begin, int64_t end) {
  return bf16 ? squares(static_cast<const Bf16*>(x) + begin, end - begin)
              : squares(static_cast<const float*>(x) + begin, end - begin);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
