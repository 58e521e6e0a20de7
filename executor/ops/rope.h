// Rows of rotations by position: the vector code of rope.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct Rope {
  bool bf16 = false;
  int64_t heads = 0;
  int64_t head_columns = 0;
  int64_t first = 0;  ///< column of a head
  int64_t pairs = 0;  ///< turned in each head from there on; its other columns are copied
  bool inverse = false;
  bool interleaved = false;  ///< pairs are neighbours, not half of the turned columns apart
  const void* x = nullptr;
  const float* table = nullptr;  ///< a row per token: cosines[pairs], sines[pairs]
  void* y = nullptr;             ///< may be x
};

TIDEMARK_SIMD_DECLARE(void rope_rows(const Rope& rope, int64_t begin, int64_t end);)

}  // namespace tidemark::ops
