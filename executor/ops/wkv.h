// Blocks of channels of RWKV-4's weighted mean: the vector code of wkv (rwkv.cpp).
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"
#include "executor/ops/sequences.h"

namespace tidemark::ops {

struct Wkv {
  bool bf16 = false;
  int64_t rows = 0, channels = 0, chunk_rows = 0;
  const void* k = nullptr;
  const void* v = nullptr;
  const float* time_decay = nullptr;
  const float* time_first = nullptr;
  Sequences sequences;
};

struct WkvGrad {
  Wkv wkv;
  const void* dy = nullptr;
  const float* states = nullptr;
  void* dk = nullptr;  ///< may be k or dy
  void* dv = nullptr;  ///< may be v
  float* dtime_decay = nullptr;
  float* dtime_first = nullptr;
};

TIDEMARK_SIMD_DECLARE(
    /// All rows of one block (channel_block.h). y may be k or v; states [chunks, 3, channels].
    void wkv_block(const Wkv& wkv, void* y, float* states, int64_t block);
    void wkv_grad_block(const WkvGrad& grad, int64_t block, float* scratch);)

}  // namespace tidemark::ops
