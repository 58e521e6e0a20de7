// The vector code of embedding.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

TIDEMARK_SIMD_DECLARE(
    /// y[columns] += the rows of x whose numbers are the lower halves of keys[0, n), summed in f32.
    void add_rows(bool bf16, const void* x, const uint64_t* keys, int64_t n, int64_t columns, void* y);)

}  // namespace tidemark::ops
