// Softmax of whole rows of scores, for attention that holds them in memory.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::bench {

TIDEMARK_SIMD_DECLARE(
    /// Scores times `scale` become probabilities; if causal, those of columns past the row zero.
    void softmax_rows(float* scores, int64_t rows, int64_t columns, bool causal, float scale);)

}  // namespace tidemark::bench
