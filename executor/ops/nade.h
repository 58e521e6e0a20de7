// NADE's scan over the pixels and its gradient: the vector code of nade.cpp.
#pragma once

#include <cstdint>

#include "executor/ops/activation.h"

namespace tidemark::ops {

struct NadeShape {
  bool bf16 = false;
  Activation function = Activation::sigmoid;
  int64_t rows = 0, pixels = 0, hidden = 0;
  const int32_t* order = nullptr;  ///< [pixels]
};

struct Nade {
  NadeShape shape;
  const void* x = nullptr;        ///< [rows, pixels]
  const float* weight = nullptr;  ///< [pixels, hidden], transposed and in the order of the pixels
  const void* hidden_bias = nullptr;
  const void* output_bias = nullptr;
  const void* output_weight = nullptr;  ///< [pixels, hidden]; null: the transposed weight
  void* logits = nullptr;
};

struct NadeGrad {
  NadeShape shape;
  const float* x = nullptr;        ///< [pixels, rows], transposed and in the order of the pixels
  const float* dlogits = nullptr;  ///< as x
  const void* weight = nullptr;    ///< [hidden, pixels]
  const void* hidden_bias = nullptr;
  const void* output_weight = nullptr;  ///< [pixels, hidden]; null: the transposed weight
  /// What the gradients start from (null: zero), and where they go; may be the same.
  const void* dweight_start = nullptr;
  const void* dhidden_bias_start = nullptr;
  const void* doutput_weight_start = nullptr;
  void* dweight = nullptr;
  void* dhidden_bias = nullptr;
  void* doutput_weight = nullptr;
};

TIDEMARK_SIMD_DECLARE(
    /// out[k * rows + r] = m[r * columns + order[k]] for rows r in [begin, end) of m[rows, columns].
    void transpose_ordered(bool bf16, const void* m, int64_t rows, int64_t columns, const int32_t* order,
                           int64_t begin, int64_t end, float* out);
    /// At most kNadeRows rows; state as NadeSpace says.
    void nade_rows(const Nade& nade, int64_t begin, int64_t end, float* state);
    /// At most kNadeUnits hidden units; state as NadeGradSpace says.
    void nade_grad_units(const NadeGrad& grad, int64_t begin, int64_t end, float* state);)

}  // namespace tidemark::ops
