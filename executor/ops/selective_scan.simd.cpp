#include "executor/ops/selective_scan_rows.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

/// h = 2^(delta a) h + b x and y = sum of c h over the states, for one row.
inline void scan_row(int64_t states, const float* a, const float* b, const float* c, const float* delta,
                     const float* x, float* h, float* y) {
  Vec step[kBlockVecs], in[kBlockVecs], out[kBlockVecs];
#pragma GCC unroll 4
  for (int v = 0; v < kBlockVecs; ++v) {
    step[v] = load(delta + v * kLanes);
    in[v] = load(x + v * kLanes);
    out[v] = zero();
  }
  for (int64_t n = 0; n < states; ++n, a += kScanChannels, h += kScanChannels) {
    const Vec bn = broadcast(b[n]), cn = broadcast(c[n]);
#pragma GCC unroll 4
    for (int v = 0; v < kBlockVecs; ++v) {
      const Vec decay = exp2_of_negative(step[v] * load(a + v * kLanes));
      const Vec state = fma(decay, load(h + v * kLanes), bn * in[v]);
      store(h + v * kLanes, state);
      out[v] = fma(cn, state, out[v]);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kBlockVecs; ++v) store(y + v * kLanes, out[v]);
}

/// y = (scanned + D u) silu(z)
template <typename T>
void store_outputs(const SelectiveScan& s, const Block& block, int64_t row, int64_t rows,
                   const float* scanned, void* out) {
  for (int64_t t = row; t < row + rows; ++t, scanned += kScanChannels) {
    const int64_t at = t * s.channels + block.first;
    const T* u = static_cast<const T*>(s.u) + at;
    const T* z = static_cast<const T*>(s.z) + t * s.z_stride + block.first;
    T* y = static_cast<T*>(out) + at;
    block_lanes(block.channels, [&](int64_t i, auto w) {
      const Vec gate = load(z + i, w);
      const Vec value = fma(load(s.d + block.first + i, w), load(u + i, w), load(scanned + i));
      store(y + i, value * gate * sigmoid(gate), w);
    });
  }
}

template <typename T>
void scan_block(const SelectiveScan& s, void* out, float* states, const Block& block, float* scratch) {
  const int64_t state = s.states * kScanChannels, tile = s.chunk_rows * kScanChannels;
  float* const a = scratch;
  float* const h = a + state;
  float* const delta = h + state;
  float* const x = delta + tile;
  float* const y = x + tile;
  float* const bc = y + tile;
  load_a(s, block, a);
  for (int64_t i = 0; i < state; i += kLanes) store(h + i, zero());
  for (int64_t row = 0, chunk = 0; row < s.rows; row += s.chunk_rows, ++chunk) {
    const int64_t rows = chunk_length(s, row);
    const uint64_t starts = starts_among(s.sequences, row, rows);
    for (int64_t n = 0; n < s.states; ++n)
      block_lanes(block.channels, [&](int64_t i, auto w) {
        store(states + (chunk * s.states + n) * s.channels + block.first + i, load(h + n * kScanChannels + i),
              w);
      });
    load_bc<T>(s, row, rows, bc);
    load_inputs<T>(s, block, row, rows, delta, x);
    for (int64_t t = 0; t < rows; ++t) {
      if (starts >> t & 1)
        for (int64_t i = 0; i < state; i += kLanes) store(h + i, zero());
      const float* b = bc + t * 2 * s.states;
      scan_row(s.states, a, b, b + s.states, delta + t * kScanChannels, x + t * kScanChannels, h,
               y + t * kScanChannels);
    }
    store_outputs<T>(s, block, row, rows, y, out);
  }
}

}  // namespace

void selective_scan_block(const SelectiveScan& s, void* y, float* states, int64_t block, float* scratch) {
  s.bf16 ? scan_block<Bf16>(s, y, states, block_of(s.channels, block), scratch)
         : scan_block<float>(s, y, states, block_of(s.channels, block), scratch);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
