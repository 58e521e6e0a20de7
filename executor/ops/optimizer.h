// The vector code of optimizer.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"
#include "executor/ops/pointwise.h"

namespace tidemark::ops {

/// One step of AdamW (Loshchilov & Hutter 2019) in f32; docs/ops.md has the formula.
struct AdamW {
  bool bf16 = false;  ///< param and grad
  void* param = nullptr;
  const void* grad = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  float* master = nullptr;  ///< null: param is the only copy
  bool rounds = false;      ///< stochastically, by the numbers of `key` and `site`
  uint32_t key[2] = {};
  uint64_t site = 0;
  float grad_scale = 1;  ///< clipping
  float beta1 = 0, beta2 = 0;
  float epsilon = 0;
  float decay = 1;         ///< of the parameter: 1 - rate * weight decay
  float step = 0;          ///< rate / (1 - beta1^t)
  float v_correction = 1;  ///< 1 / (1 - beta2^t)
};

/// Elements that one batch of random words rounds.
inline constexpr int64_t kRoundingBatch = 8 * kPhiloxBatch;

TIDEMARK_SIMD_DECLARE(  /// Where it rounds, `begin` is a multiple of kRoundingBatch.
    void adamw_range(const AdamW& a, int64_t begin, int64_t end);
    float sum_of_squares(bool bf16, const void* x, int64_t begin, int64_t end);)

}  // namespace tidemark::ops
