// The gradient of heads that share some columns of their keys: the vector code of latent_heads.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct LatentHeads {
  bool bf16 = false;
  int64_t heads = 0, keys = 0, values = 0, shared_columns = 0;
  const void *k = nullptr, *v = nullptr;         ///< gradients
  void *projected = nullptr, *shared = nullptr;  ///< what they make
};

TIDEMARK_SIMD_DECLARE(void latent_heads_grad_rows(const LatentHeads& h, int64_t begin, int64_t end);)

}  // namespace tidemark::ops
