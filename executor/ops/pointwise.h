// Element by element: the vector code of pointwise.cpp.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

/// Operands of one storage type, in the order of the op; outputs may equal inputs.
struct Pointwise {
  bool bf16 = false;
  const void* inputs[4] = {};
  void* outputs[3] = {};
};

/// Philox4x32-10's key and the upper half of its counter, and what it decides.
struct DropoutMask {
  uint32_t key[2];
  uint64_t site;
  uint32_t threshold;  ///< an element is kept if its random word is at least this
  float scale;         ///< of the kept ones
};

/// Philox4x32-10 (Salmon et al. 2011): words[4 * i + j] is word j at counter (counter + i, site).
inline constexpr int64_t kPhiloxBatch = 16;

TIDEMARK_SIMD_DECLARE(void swiglu_range(const Pointwise& p, int64_t begin, int64_t end);
                      void swiglu_grad_range(const Pointwise& p, int64_t begin, int64_t end);
                      void glu_range(const Pointwise& p, int64_t begin, int64_t end);
                      void glu_grad_range(const Pointwise& p, int64_t begin, int64_t end);
                      void gated_lerp_range(const Pointwise& p, int64_t begin, int64_t end);
                      void gated_lerp_grad_range(const Pointwise& p, int64_t begin, int64_t end);
                      /// Input 1 is bf16 where other_bf16 says so.
                      void add_range(const Pointwise& p, bool other_bf16, int64_t begin, int64_t end);
                      /// Input 0 is bf16 where from_bf16 says so.
                      void convert_range(const Pointwise& p, bool from_bf16, int64_t begin, int64_t end);
                      void philox(const uint32_t* key, uint64_t counter, uint64_t site, uint32_t* words);
                      /// begin is a multiple of 4 * kPhiloxBatch.
                      void dropout_range(const Pointwise& p, const DropoutMask& mask, int64_t begin,
                                         int64_t end);)

}  // namespace tidemark::ops
