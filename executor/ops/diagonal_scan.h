// Blocks of channels of the diagonal linear recurrence: the vector code of linear_recurrence.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"
#include "executor/ops/sequences.h"

namespace tidemark::ops {

struct DiagonalScan {
  bool bf16 = false;
  int64_t rows = 0, channels = 0;
  const float* nu_log = nullptr;
  const float* theta_log = nullptr;
  Sequences sequences;
  const void* x[2] = {};  ///< real and imaginary part
  void* h[2] = {};        ///< of the conjugate state; may be x
};

struct DiagonalScanGrad {
  DiagonalScan scan;  ///< without x
  const void* dh[2] = {};
  void* dx[2] = {};  ///< may be dh
  float* dnu_log = nullptr;
  float* dtheta_log = nullptr;
};

TIDEMARK_SIMD_DECLARE(
    /// All rows of one block (channel_block.h).
    void diagonal_scan_block(const DiagonalScan& scan, int64_t block);
    void diagonal_scan_grad_block(const DiagonalScanGrad& grad, int64_t block);)

}  // namespace tidemark::ops
