// Rows of root-mean-square norms, of x or x * silu(gate), and their gradients: the vector code of
// rms_norm.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct RmsNorm {
  bool bf16 = false;
  int64_t columns = 0;
  int64_t groups = 1;  ///< of neighbouring columns, each normed on its own
  float epsilon = 0;
  const void* x = nullptr;
  const void* gate = nullptr;  ///< its first column; null: no gate
  int64_t gate_stride = 0;
  const void* weight = nullptr;  ///< null: 1
  void* y = nullptr;
  float* rstd = nullptr;  ///< [rows, groups]
};

struct RmsNormGrad {
  bool bf16 = false;
  int64_t columns = 0;
  int64_t groups = 1;
  const void* dy = nullptr;
  const void* x = nullptr;
  const void* gate = nullptr;
  int64_t gate_stride = 0;       ///< of dgate, too
  const void* weight = nullptr;  ///< null: 1
  const float* rstd = nullptr;
  const void* residual_grad = nullptr;  ///< null: zero
  void* dx = nullptr;                   ///< may be dy or residual_grad, or with a gate x
  void* dgate = nullptr;                ///< with a gate: its first column; added to
};

TIDEMARK_SIMD_DECLARE(void rms_norm_rows(const RmsNorm& norm, int64_t begin, int64_t end);
                      /// Sets dweight[columns] to these rows' part of the weight's gradient.
                      void rms_norm_grad_rows(const RmsNormGrad& grad, int64_t begin, int64_t end,
                                              float* dweight);)

}  // namespace tidemark::ops
