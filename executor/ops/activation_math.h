// Activations on vectors.
#pragma once

#include "executor/cpu/simd_math.h"
#include "executor/ops/activation.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

template <Activation kF>
inline cpu::TIDEMARK_ISA_NS::Vec activate(cpu::TIDEMARK_ISA_NS::Vec x) {
  using namespace cpu::TIDEMARK_ISA_NS;
  if constexpr (kF == Activation::relu) return max(zero(), x);
  if constexpr (kF == Activation::relu_squared) return max(zero(), x) * max(zero(), x);
  if constexpr (kF == Activation::sigmoid) return sigmoid(x);
  if constexpr (kF == Activation::tanh) return cpu::TIDEMARK_ISA_NS::tanh(x);
}

/// dy times the derivative where the value is y.
template <Activation kF>
inline cpu::TIDEMARK_ISA_NS::Vec activation_gradient(cpu::TIDEMARK_ISA_NS::Vec dy,
                                                     cpu::TIDEMARK_ISA_NS::Vec y) {
  using namespace cpu::TIDEMARK_ISA_NS;
  if constexpr (kF == Activation::relu) return select_less(zero(), y, dy, zero());
  if constexpr (kF == Activation::relu_squared) return dy * broadcast(2) * sqrt(y);
  if constexpr (kF == Activation::sigmoid) return dy * fnma(y, y, y);
  if constexpr (kF == Activation::tanh) return dy * fnma(y, y, broadcast(1));
}

template <Activation kF>
struct ActivationTag {
  static constexpr Activation value = kF;
};

/// fn(tag) of the one that f is.
template <typename F>
inline void with_activation(Activation f, F&& fn) {
  switch (f) {
    case Activation::relu: return fn(ActivationTag<Activation::relu>{});
    case Activation::relu_squared: return fn(ActivationTag<Activation::relu_squared>{});
    case Activation::sigmoid: return fn(ActivationTag<Activation::sigmoid>{});
    case Activation::tanh: return fn(ActivationTag<Activation::tanh>{});
  }
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
