// Rows of softmax and loss: the vector code of cross_entropy.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

TIDEMARK_SIMD_DECLARE(
    /// The largest of x[0, n) and the sum of e^(x - largest); kept in x if `keep`. n is a multiple of
    /// the vector's length: pad with minus infinity.
    void softmax_row(float* x, int64_t n, bool keep, float* largest, float* sum);
    void sum_row(const float* x, int64_t n, float* sum);
    /// x[0, n) becomes x * factor + offset; n as above.
    void scale_row(float* x, int64_t n, float factor, float offset);)

}  // namespace tidemark::ops
