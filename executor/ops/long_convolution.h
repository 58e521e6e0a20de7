// Blocks of channels of the long convolution: the vector code of long_convolution.cpp.
//
// A product of polynomials modulo z^M = i: of x(n) w^n with w^M = i, complex transforms of M points give
// y(n) + i y(n + M) times w^n, so real sequences of up to M steps need neither padding nor packing.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

/// Pairs of cosine and sine.
struct FftTables {
  int64_t points = 0;
  float* roots = nullptr;    ///< exp(-2 pi i k / points)
  float* weights = nullptr;  ///< w^n = exp(pi i n / (2 points))
};

struct LongConvolution {
  bool bf16 = false;
  int64_t channels = 0, length = 0;  ///< of the kernel; no sequence is longer
  FftTables tables;
  const void* u = nullptr;
  const float* kernel = nullptr;
  const int32_t* cu_seqlens = nullptr;
  int64_t sequences = 0;
};

struct LongConvolutionGrad {
  LongConvolution convolution;
  const void* dy = nullptr;
  const void* du_acc = nullptr;  ///< null: zero
  void* du = nullptr;            ///< may be dy or du_acc
  float* dkernel = nullptr;
};

TIDEMARK_SIMD_DECLARE(
    /// All sequences of one block. y may be u.
    void long_convolution_block(const LongConvolution& c, void* y, int64_t block, float* scratch);
    void long_convolution_grad_block(const LongConvolutionGrad& g, int64_t block, float* scratch);)

}  // namespace tidemark::ops
