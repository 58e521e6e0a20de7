// Blocks of channels of the selective scan: the vector code of selective_scan.cpp.
//
// Vectors hold neighbouring channels. A chunk of rows is converted to f32 once; the recurrence itself runs on
// scratch memory in the layout [state][channel of the block].
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"
#include "executor/ops/sequences.h"

namespace tidemark::ops {

struct SelectiveScan {
  bool bf16 = false;
  int64_t rows = 0, channels = 0, states = 0, chunk_rows = 0;
  const void* u = nullptr;
  const void* dt = nullptr;
  const void* bc = nullptr;
  const void* z = nullptr;  ///< its first column
  int64_t z_stride = 0;
  const float* a_log = nullptr;
  const float* d = nullptr;
  const float* dt_bias = nullptr;
  Sequences sequences;
};

struct SelectiveScanGrad {
  SelectiveScan scan;
  const void* dy = nullptr;
  const float* states = nullptr;
  void* du = nullptr;   ///< may be dy
  void* ddt = nullptr;  ///< may be dt
  void* dbc = nullptr;  ///< may be bc
  void* dz = nullptr;   ///< its first column; added to
  float* da_log = nullptr;
  float* dd = nullptr;
  float* ddt_bias = nullptr;
  float* state_grad = nullptr;  ///< [blocks, states, kScanChannels], carried from chunk to chunk
  float* a_grad = nullptr;      ///< the same
  float* partials = nullptr;    ///< [blocks, chunk_rows, 2 * states]
};

TIDEMARK_SIMD_DECLARE(
    /// All rows of one block. y may be u or dt.
    void selective_scan_block(const SelectiveScan& scan, void* y, float* states, int64_t block,
                              float* scratch);
    /// One chunk of one block; the last chunk comes first.
    void selective_scan_grad_block(const SelectiveScanGrad& grad, int64_t chunk, int64_t block,
                                   float* scratch);
    /// dbc of one row of the chunk, from all blocks' parts.
    void selective_scan_grad_bc(const SelectiveScanGrad& grad, int64_t chunk, int64_t row);)

}  // namespace tidemark::ops
