// Sums over the rows that belong to each token: the vector code of grouped_linear.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

/// `width` columns of [tokens, ld].
struct TokenSums {
  bool bf16 = false;
  int64_t tokens = 0, width = 0, ld = 0;
  const void* start = nullptr;  ///< null: zero
  void* y = nullptr;            ///< may be start
  float* sums = nullptr;        ///< y, where that is f32
};

TIDEMARK_SIMD_DECLARE(void begin_sums(const TokenSums& s);
                      /// Row i of product[rows, width] belongs to tokens[i].
                      void add_to_sums(const TokenSums& s, const float* product, const int32_t* tokens,
                                       int64_t rows);
                      void end_sums(const TokenSums& s);)

}  // namespace tidemark::ops
