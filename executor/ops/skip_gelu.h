// Rows of gelu(x + D u), and their gradients: the vector code of skip_gelu.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct SkipGelu {
  bool bf16 = false;
  bool tanh = false;  ///< the approximation
  int64_t columns = 0;
  const void* x = nullptr;
  const void* u = nullptr;
  const float* d = nullptr;
  const void* dy = nullptr;  ///< of the gradient
};

TIDEMARK_SIMD_DECLARE(
    void skip_gelu_rows(const SkipGelu& s, void* y, int64_t begin, int64_t end);
    /// dx may be dy or x, du may be u. Sets dd[columns] to these rows' part of D's gradient.
    void skip_gelu_grad_rows(const SkipGelu& s, void* dx, void* du, float* dd, int64_t begin, int64_t end);)

}  // namespace tidemark::ops
