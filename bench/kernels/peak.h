// The most a core can do: chains of fused multiply-adds in registers.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::bench {

/// Returns the number of floating-point operations done; `result` keeps the work from vanishing.
TIDEMARK_SIMD_DECLARE(double multiply_add(int64_t rounds, float* result);)

}  // namespace tidemark::bench
