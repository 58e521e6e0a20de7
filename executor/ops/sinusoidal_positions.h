// Rows plus the sinusoids of their positions: the vector code of embedding.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct SinusoidalPositions {
  bool bf16 = false;
  int64_t columns = 0;
  double base = 0;
  const void* x = nullptr;
  const int32_t* positions = nullptr;
  void* y = nullptr;  ///< may be x
};

/// Rows of a task: so many share the computation of the frequencies.
inline constexpr int64_t kSinusoidRows = 32;

TIDEMARK_SIMD_DECLARE(void add_sinusoids(const SinusoidalPositions& s, int64_t begin, int64_t end);)

}  // namespace tidemark::ops
