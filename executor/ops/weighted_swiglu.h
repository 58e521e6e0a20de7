// Rows of silu(gate) * up times their weights, and the gradients: the vector code of moe.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct WeightedSwiglu {
  bool bf16 = false;
  int64_t columns = 0;
  const void *gate = nullptr, *up = nullptr;
  const float* weights = nullptr;
  const int32_t* slots = nullptr;  ///< of a row: which weight is its
  void* y = nullptr;               ///< may be gate or up
  const void* dy = nullptr;
  void *dgate = nullptr, *dup = nullptr;  ///< may be dy, gate or up
  float* dweights = nullptr;
};

TIDEMARK_SIMD_DECLARE(void weighted_swiglu_rows(const WeightedSwiglu& s, int64_t begin, int64_t end);
                      void weighted_swiglu_grad_rows(const WeightedSwiglu& s, int64_t begin, int64_t end);)

}  // namespace tidemark::ops
