// Sequences pooled to one row each: the vector code of pool.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct Pool {
  bool bf16 = false;
  bool mean = false;  ///< else the last row
  int64_t columns = 0;
  const int32_t* cu_seqlens = nullptr;
};

TIDEMARK_SIMD_DECLARE(void pool_sequence(const Pool& p, const void* x, void* y, int64_t sequence);
                      void pool_grad_sequence(const Pool& p, const void* dy, void* dx, int64_t sequence);)

}  // namespace tidemark::ops
