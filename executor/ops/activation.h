// Activations whose derivative follows from their value: the vector code of `activation`, and of the ops
// that apply one within.
#pragma once

#include <cstdint>
#include <string>

#include "executor/ops/pointwise.h"

namespace tidemark::ops {

enum class Activation : uint8_t { relu, relu_squared, sigmoid, tanh };

/// By the name that the ops' attribute `function` has.
Activation activation_from(const std::string& name);

TIDEMARK_SIMD_DECLARE(void activation_range(Activation f, const Pointwise& p, int64_t begin, int64_t end);
                      void activation_grad_range(Activation f, const Pointwise& p, int64_t begin,
                                                 int64_t end);)

}  // namespace tidemark::ops
