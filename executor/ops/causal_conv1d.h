// Strips of a causal depthwise convolution with SiLU: the vector code of causal_conv1d.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"
#include "executor/ops/sequences.h"

namespace tidemark::ops {

struct CausalConv {
  bool bf16 = false;
  int64_t rows = 0, channels = 0, width = 0;
  const void* x = nullptr;  ///< its first column
  int64_t x_stride = 0;
  const void* weight = nullptr;  ///< [channels, width], the last tap is the current row's
  const void* bias = nullptr;    ///< null: zero
  Sequences sequences;
};

struct CausalConvGrad {
  CausalConv conv;
  const void* dy = nullptr;
  void* dx = nullptr;  ///< its first column; added to
  void* dweight = nullptr;
  void* dbias = nullptr;  ///< null: not wanted
};

inline constexpr int64_t kConvChannels = 32;  ///< of one task of the gradient
inline constexpr int64_t kConvRows = 64;      ///< of one task of the convolution

TIDEMARK_SIMD_DECLARE(
    /// At most kConvRows rows from this one on.
    void causal_conv_rows(const CausalConv& conv, void* y, int64_t row);
    /// All rows of kConvChannels channels.
    void causal_conv_grad_strip(const CausalConvGrad& grad, int64_t strip);)

}  // namespace tidemark::ops
