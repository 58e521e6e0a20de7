// What RWKV-7 makes of its recurrence's normed result: the vector code of wkv7_output (rwkv7.cpp).
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

struct Wkv7Output {
  bool bf16 = false;
  int64_t rows = 0, heads = 0, head_columns = 0;
  const void* y = nullptr;
  const void* r = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  const void* a = nullptr;
  const void* g = nullptr;
  const void* k_a = nullptr;
  const void* r_k = nullptr;
};

struct Wkv7OutputGrad {
  Wkv7Output output;
  const void* dout = nullptr;
  void* dy = nullptr;  ///< may be y or dout; the others may be what they are the gradients of
  void* dr = nullptr;
  void* dk = nullptr;
  void* dv = nullptr;
  void* da = nullptr;
  void* dg = nullptr;
  void* dk_a = nullptr;
  void* dr_k = nullptr;
};

TIDEMARK_SIMD_DECLARE(
    /// `out` may be y or g.
    void wkv7_output_rows(const Wkv7Output& o, void* out, int64_t begin, int64_t end);
    /// All rows of one head; `sums` are four rows of whole vectors of its columns.
    void wkv7_output_grad_head(const Wkv7OutputGrad& grad, int64_t head, float* sums);)

}  // namespace tidemark::ops
