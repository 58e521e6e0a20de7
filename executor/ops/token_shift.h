// Strips of rows mixed with the ones before them: the vector code of token_shift (rwkv.cpp).
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"
#include "executor/ops/sequences.h"

namespace tidemark::ops {

struct TokenShift {
  bool bf16 = false;
  bool of_previous = false;  ///< mix is the share of the row before
  int64_t rows = 0, channels = 0;
  const void* x = nullptr;
  const void* mix = nullptr;
  Sequences sequences;
};

struct TokenShiftGrad {
  TokenShift shift;
  const void* dy = nullptr;
  const void* dx_acc = nullptr;  ///< null: zero
  void* dx = nullptr;            ///< may be dx_acc or dy
  void* dmix = nullptr;
};

inline constexpr int64_t kShiftRows = 64;  ///< of one task of the forward op

TIDEMARK_SIMD_DECLARE(
    /// At most kShiftRows rows from this one on.
    void token_shift_rows(const TokenShift& shift, void* y, int64_t row);
    /// All rows of one block (channel_block.h).
    void token_shift_grad_block(const TokenShiftGrad& grad, int64_t block);)

}  // namespace tidemark::ops
