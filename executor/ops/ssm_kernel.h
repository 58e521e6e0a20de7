// The kernel of a linear recurrence x' = factor x - feedback (2 Re sum of sense x), K(l) = 2 Re sum of output
// x(l), for a block of channels: the vector code of ssm_kernel.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

/// Complex numbers as [states, 2, kSsmChannels], or their gradients (d/dRe + i d/dIm).
struct SsmCoefficients {
  double* factor = nullptr;
  double* output = nullptr;
  double* start = nullptr;     ///< x(0)
  double* feedback = nullptr;  ///< of rank one; only where there is one
  double* sense = nullptr;
};

struct SsmRecurrence {
  int64_t states = 0, length = 0;
  bool rank_one = false;
  SsmCoefficients coefficients;
};

/// Memory of the gradient.
struct SsmSegments {
  int64_t rows = 0;
  double* before = nullptr;  ///< the state before each segment
  double* states = nullptr;  ///< of a segment's rows
};

TIDEMARK_SIMD_DECLARE(
    /// kernel(l) of channel i at kernel[i * stride + l], for the first `channels`. `state`: scratch.
    void ssm_kernel_block(const SsmRecurrence& r, int64_t channels, float* kernel, int64_t stride,
                          double* state);
    /// Sets `grads`; `state` is scratch, too.
    void ssm_kernel_grad_block(const SsmRecurrence& r, int64_t channels, const float* dkernel, int64_t stride,
                               const SsmSegments& segments, const SsmCoefficients& grads, double* state);)

}  // namespace tidemark::ops
