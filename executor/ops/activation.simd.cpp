#include "executor/ops/activation_math.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <Activation kF, typename T>
void activate_range(const Pointwise& p, int64_t begin, int64_t end) {
  lanes(begin, end, [&](int64_t i, auto w) {
    store(static_cast<T*>(p.outputs[0]) + i, activate<kF>(load(static_cast<const T*>(p.inputs[0]) + i, w)),
          w);
  });
}

template <Activation kF, typename T>
void gradient_range(const Pointwise& p, int64_t begin, int64_t end) {
  lanes(begin, end, [&](int64_t i, auto w) {
    const Vec dy = load(static_cast<const T*>(p.inputs[0]) + i, w);
    const Vec y = load(static_cast<const T*>(p.inputs[1]) + i, w);
    store(static_cast<T*>(p.outputs[0]) + i, activation_gradient<kF>(dy, y), w);
  });
}

}  // namespace

void activation_range(Activation f, const Pointwise& p, int64_t begin, int64_t end) {
  with_activation(f, [&](auto tag) {
    p.bf16 ? activate_range<tag.value, Bf16>(p, begin, end) : activate_range<tag.value, float>(p, begin, end);
  });
}

void activation_grad_range(Activation f, const Pointwise& p, int64_t begin, int64_t end) {
  with_activation(f, [&](auto tag) {
    p.bf16 ? gradient_range<tag.value, Bf16>(p, begin, end) : gradient_range<tag.value, float>(p, begin, end);
  });
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
