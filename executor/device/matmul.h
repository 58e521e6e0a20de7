// A matrix product on a device.
#pragma once

#include <cstdint>

#include "graph/types.h"

namespace tidemark::device {

/// C[m,n] = op(A) op(B) over k (+ bias[n]) (+ start[m,n]), row-major; sums in f32. `a_transposed`: A is
/// stored [k,m]; `b_transposed`: B is stored [n,k]. A, B and the bias are of `dtype`, C and start of
/// `c_dtype`.
struct Matmul {
  int64_t m = 0, n = 0, k = 0;
  const void* a = nullptr;
  const void* b = nullptr;
  void* c = nullptr;
  int64_t lda = 0, ldb = 0, ldc = 0;  ///< ldc is start's too
  bool a_transposed = false, b_transposed = false;
  const void* bias = nullptr;
  const void* start = nullptr;  ///< may be c
  DType dtype = DType::f32, c_dtype = DType::f32;
  void* workspace = nullptr;  ///< cuda::kMatmulWorkspace bytes
};

}  // namespace tidemark::device
