// What RWKV-7's recurrence and its gradient share on a device: a few rows of a head as the recurrence takes
// them, S' = S (diag(decay) + a b^T) + value key^T, y = S' r, and the steps over them.
#pragma once

#include "executor/ops/device_operands.h"
#include "graph/cuda_scan_workspace.h"

namespace tidemark::ops {

/// -exp(-1/2): the decay is the exponential of this times a sigmoid.
inline constexpr float kWkv7LogDecay = -0.606530659712633424f;
/// Least norm that a key's direction is divided by.
inline constexpr float kWkv7LeastNorm = 1e-12f;

template <typename T>
struct DeviceWkv7 {
  int64_t rows = 0, heads = 0, columns = 0, chunk_rows = 0, sequences = 0;
  const T* r = nullptr;
  const T* w = nullptr;
  const T* k = nullptr;
  const T* v = nullptr;
  const T* a = nullptr;
  const T* k_k = nullptr;
  const T* k_a = nullptr;
  const int32_t* cu_seqlens = nullptr;

  TIDEMARK_HOST_DEVICE int64_t at(int64_t row, int64_t head) const { return (row * heads + head) * columns; }
  /// Of the saved states [chunks, heads, values, keys].
  TIDEMARK_HOST_DEVICE int64_t saved(int64_t chunk, int64_t head) const {
    return (chunk * heads + head) * columns * columns;
  }
  /// Of a state's rows in shared memory: odd, where columns are even, so that lanes with a row each use
  /// different banks.
  TIDEMARK_HOST_DEVICE int64_t stride() const { return columns + 1; }
};

/// r, w, k, v, a, k_k and k_a are inputs `first` and the following.
template <typename T>
DeviceWkv7<T> device_wkv7(const KernelArgs& args, int first, int cu_seqlens) {
  DeviceWkv7<T> s;
  s.rows = args.op.in(first).shape[0];
  s.heads = args.op.attributes().integer("heads");
  s.columns = args.op.in(first).shape[1] / s.heads;
  s.chunk_rows = std::min(s.rows, args.op.attributes().integer("chunk_rows"));
  s.sequences = args.op.in(cu_seqlens).shape[0] - 1;
  const T** const operands[] = {&s.r, &s.w, &s.k, &s.v, &s.a, &s.k_k, &s.k_a};
  for (const T** operand : operands) *operand = args.in<T>(first++);
  s.cu_seqlens = args.in<int32_t>(cu_seqlens);
  return s;
}

/// Rows [row, row + rows) of a head in shared memory, each operand [kWkv7Rows, stride].
struct Wkv7Tile {
  float *r, *decay, *key, *value, *a, *b;
  float* inverse_norm;  ///< of k k_k
  int64_t stride;

  TIDEMARK_HOST_DEVICE Wkv7Tile(float* memory, int64_t row_stride) : stride(row_stride) {
    const int64_t operand = cuda::kWkv7Rows * stride;
    r = memory;
    decay = r + operand;
    key = decay + operand;
    value = key + operand;
    a = value + operand;
    b = a + operand;
    inverse_norm = b + operand;
  }
};

template <typename T, typename Group>
TIDEMARK_DEVICE void load_tile(Group& group, const DeviceWkv7<T>& s, int64_t head, int64_t row, int64_t rows,
                               const Wkv7Tile& tile) {
  const int64_t n = s.columns;
  const T* const k_k = s.k_k + head * n;
  const T* const k_a = s.k_a + head * n;
  group.each(rows * n, [&](int64_t e) {
    const int64_t t = e / n, i = e % n, from = s.at(row + t, head) + i, to = t * tile.stride + i;
    const float key = device::to_float(s.k[from]), rate = device::sigmoid(device::to_float(s.a[from]));
    tile.r[to] = device::to_float(s.r[from]);
    tile.decay[to] = expf(kWkv7LogDecay * device::sigmoid(device::to_float(s.w[from])));
    tile.key[to] = fmaf(key * (rate - 1.0f), device::to_float(k_a[i]), key);
    tile.value[to] = device::to_float(s.v[from]);
    tile.a[to] = -key * device::to_float(k_k[i]);
    tile.b[to] = rate;
  });
  group.each(rows, [&](int64_t t) {
    float squares = 0;
    for (int64_t i = 0; i < n; ++i) {
      const float key = tile.a[t * tile.stride + i];
      squares = fmaf(key, key, squares);
    }
    tile.inverse_norm[t] = 1 / device::larger(kWkv7LeastNorm, sqrtf(squares));
  });
  group.each(rows * n, [&](int64_t e) {
    const int64_t t = e / n, to = t * tile.stride + e % n;
    tile.a[to] *= tile.inverse_norm[t];
    tile.b[to] *= -tile.a[to];
  });
}

/// Row t of a tile for one value: the state's row of it, which becomes the one after, its product with `a`
/// before and with r after.
struct Wkv7Products {
  float along, y;
};
TIDEMARK_HOST_DEVICE inline Wkv7Products advance_value(const Wkv7Tile& tile, int64_t columns, int64_t t,
                                                       int64_t value, float* state) {
  const int64_t at = t * tile.stride;
  Wkv7Products products{0, 0};
  for (int64_t j = 0; j < columns; ++j) products.along = fmaf(state[j], tile.a[at + j], products.along);
  const float v = tile.value[at + value];
  for (int64_t j = 0; j < columns; ++j) {
    state[j] = fmaf(state[j], tile.decay[at + j], fmaf(products.along, tile.b[at + j], v * tile.key[at + j]));
    products.y = fmaf(state[j], tile.r[at + j], products.y);
  }
  return products;
}

}  // namespace tidemark::ops
