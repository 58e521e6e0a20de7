// Rows of a weight times e^log_scale, and their gradient: the vector code of linear_recurrence.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct ScaleRows {
  bool bf16 = false;
  int64_t columns = 0;
  const void* weight = nullptr;
  const float* log_scale = nullptr;
  const void* dy = nullptr;     ///< null: y is the scaled weight; else the weight's gradient
  void* y = nullptr;            ///< may be dy
  float* dlog_scale = nullptr;  ///< with dy
};

TIDEMARK_SIMD_DECLARE(void scale_rows_range(const ScaleRows& s, int64_t begin, int64_t end);)

}  // namespace tidemark::ops
