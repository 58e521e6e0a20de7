// Columns of batch norms and their gradients: the vector code of batch_norm.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct BatchNorm {
  bool bf16 = false;
  int64_t rows = 0, columns = 0;
  float epsilon = 0;
  const void* x = nullptr;
  const void* weight = nullptr;
  const void* bias = nullptr;
  void* y = nullptr;
  float* mean = nullptr;
  float* rstd = nullptr;
};

struct BatchNormGrad {
  bool bf16 = false;
  int64_t rows = 0, columns = 0;
  const void* dy = nullptr;
  const void* x = nullptr;
  const void* weight = nullptr;
  const float* mean = nullptr;
  const float* rstd = nullptr;
  void* dx = nullptr;  ///< may be dy
  void* dweight = nullptr;
  void* dbias = nullptr;
};

TIDEMARK_SIMD_DECLARE(void batch_norm_columns(const BatchNorm& norm, int64_t begin, int64_t end);
                      void batch_norm_grad_columns(const BatchNormGrad& grad, int64_t begin, int64_t end);)

}  // namespace tidemark::ops
