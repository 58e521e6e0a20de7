#include "executor/cpu/simd_reduce.h"
#include "executor/ops/selective_scan_rows.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

/// Scratch memory of a block and chunk. Rows of `tile`s are kScanChannels wide.
struct Tiles {
  float *a, *a_grad;                 ///< [states]
  float *delta, *x, *gate_grad, *y;  ///< [rows]
  float* decay;                      ///< [rows][states]
  float* h;                          ///< [1 + rows][states]: before the chunk, then after each row
  float* bc;

  Tiles(const SelectiveScan& s, float* scratch) {
    const int64_t state = s.states * kScanChannels, tile = s.chunk_rows * kScanChannels;
    const auto take = [&scratch](int64_t floats) {
      float* const taken = scratch;
      scratch += floats;
      return taken;
    };
    a = take(state);
    a_grad = take(state);
    delta = take(tile);
    x = take(tile);
    gate_grad = take(tile);
    y = take(tile);
    decay = take(s.chunk_rows * state);
    h = take((s.chunk_rows + 1) * state);
    bc = take(s.chunk_rows * 2 * s.states);
  }
};

/// The scan of one row with everything kept. The decay into a sequence's first row is 0: nothing flows in,
/// and no gradient out.
template <bool kStarts>
inline void rescan_row(int64_t states, const float* a, const float* b, const float* c, const float* delta,
                       const float* x, float* decays, float* h, float* y) {
  const int64_t state = states * kScanChannels;
  Vec step[kBlockVecs], in[kBlockVecs], out[kBlockVecs];
#pragma GCC unroll 4
  for (int v = 0; v < kBlockVecs; ++v) {
    step[v] = load(delta + v * kLanes);
    in[v] = load(x + v * kLanes);
    out[v] = zero();
  }
  for (int64_t n = 0; n < states; ++n) {
    const Vec bn = broadcast(b[n]), cn = broadcast(c[n]);
#pragma GCC unroll 4
    for (int v = 0; v < kBlockVecs; ++v) {
      const int64_t at = n * kScanChannels + v * kLanes;
      const Vec decay = kStarts ? zero() : exp2_of_negative(step[v] * load(a + at));
      const Vec now = fma(decay, load(h + at), bn * in[v]);
      store(decays + at, decay);
      store(h + state + at, now);
      out[v] = fma(cn, now, out[v]);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kBlockVecs; ++v) store(y + v * kLanes, out[v]);
}

/// One row backwards. With g the gradient of y and dh that of the state after the row, which becomes that of
/// the state before it: x and delta are replaced by their gradients (delta's without x's share), the block's
/// parts of the gradients of b and c are stored.
inline void reverse_row(int64_t states, const float* a, const float* b, const float* c, const float* g,
                        const float* decays, const float* h, float* delta, float* x, float* dh, float* da,
                        float* db, float* dc) {
  const int64_t state = states * kScanChannels;
  Vec dx[kBlockVecs], ddelta[kBlockVecs];
#pragma GCC unroll 4
  for (int v = 0; v < kBlockVecs; ++v) dx[v] = ddelta[v] = zero();
  const auto one_state = [&](int64_t n, Vec& b_part, Vec& c_part) {
    const Vec bn = broadcast(b[n]), cn = broadcast(c[n]);
    b_part = c_part = zero();
#pragma GCC unroll 4
    for (int v = 0; v < kBlockVecs; ++v) {
      const int64_t at = n * kScanChannels + v * kLanes;
      const Vec gv = load(g + v * kLanes);
      const Vec grad = fma(cn, gv, load(dh + at));
      c_part = fma(gv, load(h + state + at), c_part);
      b_part = fma(grad, load(x + v * kLanes), b_part);
      dx[v] = fma(grad, bn, dx[v]);
      const Vec before = grad * load(decays + at);
      const Vec exponent = before * load(h + at);
      ddelta[v] = fma(exponent, load(a + at), ddelta[v]);
      store(da + at, fma(exponent, load(delta + v * kLanes), load(da + at)));
      store(dh + at, before);
    }
  };
  int64_t n = 0;
  for (; n + 2 <= states; n += 2) {
    Vec b0, b1, c0, c1;
    one_state(n, b0, c0);
    one_state(n + 1, b1, c1);
    float sums[4];
    store_sums(sums, b0, b1, c0, c1);
    db[n] = sums[0];
    db[n + 1] = sums[1];
    dc[n] = sums[2];
    dc[n + 1] = sums[3];
  }
  if (n < states) {
    Vec b0, c0;
    one_state(n, b0, c0);
    db[n] = sum(b0);
    dc[n] = sum(c0);
  }
#pragma GCC unroll 4
  for (int v = 0; v < kBlockVecs; ++v) {
    store(x + v * kLanes, dx[v]);
    store(delta + v * kLanes, ddelta[v] * broadcast(kLn2));
  }
}

/// gate_grad = dy silu(z), the gradient of what the gate multiplies.
template <typename T>
void load_gradients(const SelectiveScanGrad& g, const Block& block, int64_t row, int64_t rows,
                    float* gate_grad) {
  for (int64_t t = row; t < row + rows; ++t, gate_grad += kScanChannels) {
    const T* dy = static_cast<const T*>(g.dy) + t * g.scan.channels + block.first;
    const T* z = static_cast<const T*>(g.scan.z) + t * g.scan.z_stride + block.first;
    block_lanes(block.channels, [&](int64_t i, auto w) {
      const Vec gate = load(z + i, w);
      store(gate_grad + i, load(dy + i, w) * gate * sigmoid(gate));
    });
  }
}

/// From the gradients of x = delta u and delta to those of u, dt, z, D and dt_bias.
template <typename T>
void store_gradients(const SelectiveScanGrad& g, const Block& block, int64_t row, int64_t rows,
                     const Tiles& tiles) {
  const SelectiveScan& s = g.scan;
  const Vec one = broadcast(1);
  float d_sums[kScanChannels] = {}, bias_sums[kScanChannels] = {};
  for (int64_t t = 0; t < rows; ++t) {
    const int64_t at = (row + t) * s.channels + block.first, tile = t * kScanChannels;
    const int64_t gate_at = (row + t) * s.z_stride + block.first;
    block_lanes(block.channels, [&](int64_t i, auto w) {
      const Vec u = load(static_cast<const T*>(s.u) + at + i, w);
      const Vec dt = load(static_cast<const T*>(s.dt) + at + i, w) + load(s.dt_bias + block.first + i, w);
      const Vec dy = load(static_cast<const T*>(g.dy) + at + i, w);
      const Vec gate = load(static_cast<const T*>(s.z) + gate_at + i, w), gated = sigmoid(gate);
      const Vec dx = load(tiles.x + tile + i), value_grad = load(tiles.gate_grad + tile + i);
      const Vec skip = load(s.d + block.first + i, w);
      const Vec ddt = fma(dx, u, load(tiles.delta + tile + i)) * sigmoid(dt);
      const Vec value = fma(skip, u, load(tiles.y + tile + i));
      T* const dz = static_cast<T*>(g.dz) + gate_at + i;
      store(dz, fma(dy * value * gated, fma(gate, one - gated, one), load(dz, w)), w);
      store(static_cast<T*>(g.ddt) + at + i, ddt, w);
      store(static_cast<T*>(g.du) + at + i, fma(dx, softplus(dt), skip * value_grad), w);
      store(d_sums + i, fma(value_grad, u, load(d_sums + i)));
      store(bias_sums + i, load(bias_sums + i) + ddt);
    });
  }
  const bool first = row + rows == s.rows;  // the last chunk is
  block_lanes(block.channels, [&](int64_t i, auto w) {
    float* const dd = g.dd + block.first + i;
    float* const ddt_bias = g.ddt_bias + block.first + i;
    store(dd, first ? load(d_sums + i) : load(dd, w) + load(d_sums + i), w);
    store(ddt_bias, first ? load(bias_sums + i) : load(ddt_bias, w) + load(bias_sums + i), w);
  });
}

template <typename T>
void grad_block(const SelectiveScanGrad& g, int64_t chunk, int64_t index, float* scratch) {
  const SelectiveScan& s = g.scan;
  const Block block = block_of(s.channels, index);
  const Tiles tiles(s, scratch);
  const int64_t state = s.states * kScanChannels;
  const int64_t row = chunk * s.chunk_rows, rows = chunk_length(s, row);
  const uint64_t starts = starts_among(s.sequences, row, rows);
  float* const dh = g.state_grad + index * state;
  float* const a_total = g.a_grad + index * state;
  load_a(s, block, tiles.a);
  load_bc<T>(s, row, rows, tiles.bc);
  load_inputs<T>(s, block, row, rows, tiles.delta, tiles.x);
  load_gradients<T>(g, block, row, rows, tiles.gate_grad);
  for (int64_t n = 0; n < s.states; ++n)
    block_lanes(block.channels, [&](int64_t i, auto w) {
      store(tiles.h + n * kScanChannels + i,
            load(g.states + (chunk * s.states + n) * s.channels + block.first + i, w));
    });
  for (int64_t t = 0; t < rows; ++t) {
    const float* b = tiles.bc + t * 2 * s.states;
    const auto rescan = starts >> t & 1 ? rescan_row<true> : rescan_row<false>;
    rescan(s.states, tiles.a, b, b + s.states, tiles.delta + t * kScanChannels, tiles.x + t * kScanChannels,
           tiles.decay + t * state, tiles.h + t * state, tiles.y + t * kScanChannels);
  }
  const bool last = row + rows == s.rows;
  for (int64_t i = 0; i < state; i += kLanes) {
    if (last) store(dh + i, zero());
    store(tiles.a_grad + i, zero());
  }
  float* const part = g.partials + index * s.chunk_rows * 2 * s.states;
  for (int64_t t = rows; t-- > 0;) {
    const float* b = tiles.bc + t * 2 * s.states;
    float* const db = part + t * 2 * s.states;
    reverse_row(s.states, tiles.a, b, b + s.states, tiles.gate_grad + t * kScanChannels,
                tiles.decay + t * state, tiles.h + t * state, tiles.delta + t * kScanChannels,
                tiles.x + t * kScanChannels, dh, tiles.a_grad, db, db + s.states);
  }
  for (int64_t i = 0; i < state; i += kLanes)
    store(a_total + i, last ? load(tiles.a_grad + i) : load(a_total + i) + load(tiles.a_grad + i));
  store_gradients<T>(g, block, row, rows, tiles);
  if (chunk > 0) return;
  // dA/dA_log = A.
  for (int64_t n = 0; n < s.states; ++n)
    for (int64_t i = 0; i < block.channels; ++i)
      g.da_log[(block.first + i) * s.states + n] =
          a_total[n * kScanChannels + i] * tiles.a[n * kScanChannels + i] * kLn2;
}

template <typename T>
void sum_bc(const SelectiveScanGrad& g, int64_t chunk, int64_t row) {
  const SelectiveScan& s = g.scan;
  const int64_t columns = 2 * s.states, blocks = (s.channels + kScanChannels - 1) / kScanChannels;
  T* const out = static_cast<T*>(g.dbc) + (chunk * s.chunk_rows + row) * columns;
  lanes(0, columns, [&](int64_t i, auto w) {
    Vec total = zero();
    for (int64_t block = 0; block < blocks; ++block)
      total = total + load(g.partials + (block * s.chunk_rows + row) * columns + i, w);
    store(out + i, total, w);
  });
}

}  // namespace

void selective_scan_grad_block(const SelectiveScanGrad& g, int64_t chunk, int64_t block, float* scratch) {
  g.scan.bf16 ? grad_block<Bf16>(g, chunk, block, scratch) : grad_block<float>(g, chunk, block, scratch);
}

void selective_scan_grad_bc(const SelectiveScanGrad& g, int64_t chunk, int64_t row) {
  g.scan.bf16 ? sum_bc<Bf16>(g, chunk, row) : sum_bc<float>(g, chunk, row);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
