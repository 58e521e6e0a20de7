// Heads of retention and its gradient: the vector code of retention.cpp.
//
// Rows are cut into pieces; within one, a head's output is a product with its (causal, decayed) scores q k^T
// plus what the state before the piece contributes.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"
#include "executor/ops/sequences.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops {

struct Retention {
  bool bf16 = false;
  int64_t rows = 0, chunk_rows = 0;
  cpu::RetentionShape shape;
  cpu::RetentionSpace space;
  const double* decays = nullptr;  ///< of each head
  float scale = 0;                 ///< of k
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  Sequences sequences;
};

struct RetentionGrad {
  Retention retention;
  const void* dout = nullptr;
  const float* normalizer = nullptr;
  const float* states = nullptr;
  void* dq = nullptr;  ///< may be q
  void* dk = nullptr;  ///< may be k
  void* dv = nullptr;  ///< may be v or dout
};

TIDEMARK_SIMD_DECLARE(
    /// All rows of one head. `out` may be v. What a row is multiplied with comes to normalizer[row * heads +
    /// head].
    void retention_head(const Retention& r, int64_t head, void* out, float* normalizer, float* states,
                        float* scratch);
    void retention_grad_head(const RetentionGrad& g, int64_t head, float* scratch);)

}  // namespace tidemark::ops
