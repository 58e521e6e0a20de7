// What the selective scan and its gradient share: a block's rows in f32, and the recurrence's coefficients.
#pragma once

#include "executor/cpu/simd_math.h"
#include "executor/ops/channel_block.h"
#include "executor/ops/selective_scan.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

/// Of the chunk that begins at this row.
inline int64_t chunk_length(const SelectiveScan& s, int64_t row) {
  return smaller(s.chunk_rows, s.rows - row);
}

/// a[n][i] = log2(e) * A, so that 2^(delta a) is the decay.
inline void load_a(const SelectiveScan& s, const Block& block, float* a) {
  for (int64_t n = 0; n < s.states; ++n) {
    float* row = a + n * kScanChannels;
    for (int64_t i = 0; i < kScanChannels; ++i)
      row[i] = i < block.channels ? s.a_log[(block.first + i) * s.states + n] : 0;
    for (int64_t i = 0; i < kScanChannels; i += kLanes)
      store(row + i, broadcast(-kLog2E) * exp(load(row + i)));
  }
}

/// delta = softplus(dt + dt_bias) and x = delta * u, as rows of kScanChannels.
template <typename T>
inline void load_inputs(const SelectiveScan& s, const Block& block, int64_t row, int64_t rows, float* delta,
                        float* x) {
  for (int64_t t = 0; t < rows; ++t, delta += kScanChannels, x += kScanChannels) {
    const int64_t at = (row + t) * s.channels + block.first;
    const T* dt = static_cast<const T*>(s.dt) + at;
    const T* u = static_cast<const T*>(s.u) + at;
    block_lanes(block.channels, [&](int64_t i, auto w) {
      const Vec step = softplus(load(dt + i, w) + load(s.dt_bias + block.first + i, w));
      store(delta + i, step);
      store(x + i, step * load(u + i, w));
    });
  }
}

template <typename T>
inline void load_bc(const SelectiveScan& s, int64_t row, int64_t rows, float* bc) {
  convert(static_cast<const T*>(s.bc) + row * 2 * s.states, bc, rows * 2 * s.states);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
