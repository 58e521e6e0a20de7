// Heads of RWKV-7's recurrence and its gradient: the vector code of wkv7 (rwkv7.cpp).
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"
#include "executor/ops/sequences.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops {

struct Wkv7 {
  bool bf16 = false;
  int64_t rows = 0;
  cpu::Wkv7Shape shape;
  cpu::Wkv7Space space;
  const void* r = nullptr;
  const void* w = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  const void* a = nullptr;
  const void* k_k = nullptr;
  const void* k_a = nullptr;
  Sequences sequences;
};

struct Wkv7Grad {
  Wkv7 wkv;
  const void* dy = nullptr;
  const float* states = nullptr;
  const void* dr_acc = nullptr;  ///< here and below, null: zero
  const void* dk_acc = nullptr;
  const void* dv_acc = nullptr;
  const void* da_acc = nullptr;
  void* dr = nullptr;  ///< may be r or dr_acc
  void* dw = nullptr;  ///< may be w or dy
  void* dk = nullptr;  ///< may be k or dk_acc
  void* dv = nullptr;  ///< may be v or dv_acc
  void* da = nullptr;  ///< may be a or da_acc
  void* dk_k = nullptr;
  void* dk_a = nullptr;
};

TIDEMARK_SIMD_DECLARE(
    /// All rows of one head. y may be r or w; states [chunks, heads, values, keys].
    void wkv7_head(const Wkv7& wkv, int64_t head, void* y, float* states, float* scratch);
    void wkv7_grad_head(const Wkv7Grad& grad, int64_t head, float* scratch);)

}  // namespace tidemark::ops
