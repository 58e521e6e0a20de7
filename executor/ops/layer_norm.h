// Rows of layer norms and their gradients: the vector code of layer_norm.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct LayerNorm {
  bool bf16 = false;
  int64_t columns = 0;
  int64_t groups = 1;  ///< of neighbouring columns, each normed on its own
  float epsilon = 0;
  const void* x = nullptr;
  const void* weight = nullptr;
  const void* bias = nullptr;  ///< null: zero
  void* y = nullptr;
  float *mean = nullptr, *rstd = nullptr;  ///< [rows, groups]
};

struct LayerNormGrad {
  bool bf16 = false;
  int64_t columns = 0;
  int64_t groups = 1;
  const void* dy = nullptr;
  const void* x = nullptr;
  const void* weight = nullptr;
  const float *mean = nullptr, *rstd = nullptr;
  const void* residual_grad = nullptr;  ///< null: zero
  void* dx = nullptr;                   ///< may be dy or residual_grad
};

TIDEMARK_SIMD_DECLARE(void layer_norm_rows(const LayerNorm& norm, int64_t begin, int64_t end);
                      /// Sets sums[2 * columns] to these rows' part of the gradients of weight and bias.
                      void layer_norm_grad_rows(const LayerNormGrad& grad, int64_t begin, int64_t end,
                                                float* sums);)

}  // namespace tidemark::ops
