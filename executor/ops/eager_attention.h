// Rows of probabilities and of their gradient: the vector code of eager_attention.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct ScoreRows {
  bool bf16 = false;    ///< the probabilities
  bool causal = false;  ///< row i sees columns 0 to i
  int64_t length = 0;   ///< columns, and rows
  float scale = 1;
};

TIDEMARK_SIMD_DECLARE(
    /// Scores become probabilities in rows [begin, end) of p[length, length]; 0 where a row may not look.
    void softmax_score_rows(const ScoreRows& s, void* p, int64_t begin, int64_t end);
    /// dp[length, length], the gradient of the probabilities p, becomes that of the products q k.
    void score_gradient_rows(const ScoreRows& s, const void* p, float* dp, int64_t begin, int64_t end);)

}  // namespace tidemark::ops
