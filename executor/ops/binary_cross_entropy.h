// Rows of Bernoulli losses: the vector code of binary_cross_entropy.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct BinaryCrossEntropy {
  bool bf16 = false;
  int64_t columns = 0;
  const void* logits = nullptr;
  const void* targets = nullptr;
  float* nll = nullptr;     ///< a number for each row
  void* dlogits = nullptr;  ///< null: not wanted; may be logits
  float grad_scale = 0;
};

TIDEMARK_SIMD_DECLARE(void binary_cross_entropy_rows(const BinaryCrossEntropy& b, int64_t begin,
                                                     int64_t end);)

}  // namespace tidemark::ops
