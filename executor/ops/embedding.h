// The vector code of embedding.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

TIDEMARK_SIMD_DECLARE(void scale_copy(bool bf16, const void* x, int64_t n, float scale, void* y);
                      /// y[columns] += scale times the rows of x whose numbers are the lower halves of
                      /// keys[0, n), summed in f32.
                      void add_rows(bool bf16, const void* x, const uint64_t* keys, int64_t n,
                                    int64_t columns, float scale, void* y);)

}  // namespace tidemark::ops
