// Pieces of the chunked state-space scan of Mamba-2: the vector code of ssd_scan.cpp.
//
// A chunk of rows is cut into pieces; within one, a head's output is a product with its (causal, decayed)
// scores C B^T plus what the state before the piece contributes. Scores before decay are the same for all
// heads of a group.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"
#include "executor/ops/sequences.h"

namespace tidemark::ops {

struct Ssd {
  bool bf16 = false;
  int64_t rows = 0, heads = 0, head_columns = 0, groups = 0, states = 0;
  int64_t piece_rows = 0;      ///< of all pieces but a chunk's last, at most 64
  int64_t padded_columns = 0;  ///< of a head's rows in scratch memory
  const void* xbc = nullptr;
  int64_t xbc_stride = 0;
  const void* dt = nullptr;  ///< its first column
  int64_t dt_stride = 0;
  const float* a_log = nullptr;
  const float* d = nullptr;
  const float* dt_bias = nullptr;
  float dt_min = 0, dt_max = 0;
  Sequences sequences;
};

struct SsdPiece {
  int64_t row, rows;
};

struct SsdGrad {
  Ssd ssd;
  const void* dy = nullptr;
  void* dxbc = nullptr;  ///< may be xbc
  void* ddt = nullptr;   ///< its first column; added to
  float* da_log = nullptr;
  float* dd = nullptr;
  float* ddt_bias = nullptr;
};

/// A chunk on its way back through one head.
struct SsdHeadChunk {
  int64_t head = 0;
  int64_t row = 0, rows = 0;
  bool first = false;            ///< of those that go back: it sets the parameters' gradients
  float* scores = nullptr;       ///< of each piece, of the head's group, score_stride apart
  float* score_grads = nullptr;  ///< the same of their gradients, added to
  int64_t score_stride = 0;
  const float* state = nullptr;  ///< before the chunk, [states, head_columns]
  float* state_grad = nullptr;   ///< after the chunk, replaced by that before it; as panels
};

// "Scores" of a piece and group, or their gradients, are one after the other B and C, [rows, states] with
// room for piece_rows rows, and C B^T, [rows, piece_rows].
TIDEMARK_SIMD_DECLARE(void ssd_scores(const Ssd& ssd, const SsdPiece& piece, int64_t group, float* scores,
                                      float* scratch);
                      /// Moves the head's state, kept as panels of a product's right operand, past the piece.
                      void ssd_head_piece(const Ssd& ssd, const SsdPiece& piece, int64_t head, float* scores,
                                          float* state, void* y, float* scratch);
                      void ssd_store_state(const Ssd& ssd, const float* panels, float* state);
                      void ssd_grad_head(const SsdGrad& grad, const SsdHeadChunk& chunk, float* scratch);
                      /// Gradients of B and C of a piece from the `sets` parts of the scores' gradients,
                      /// `stride` apart; the first becomes their sum.
                      void ssd_grad_group(const SsdGrad& grad, const SsdPiece& piece, int64_t group,
                                          float* scores, float* score_grads, int64_t sets, int64_t stride,
                                          float* scratch);)

}  // namespace tidemark::ops
