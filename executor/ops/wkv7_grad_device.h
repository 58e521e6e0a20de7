// The gradient of RWKV-7's recurrence on a device, on tensor cores where they take it, or row by row: chunk
// by chunk from the last. The states before every few rows are made again; within those rows each follows
// from the one after it, as the decay, at least 0.54, is undone: of so few rows that what is lost stays
// small.
#pragma once

#include "executor/device/shared_memory.h"
#include "executor/ops/column_sum_device.h"
#include "executor/ops/wkv7_grad_device_rows.h"
#include "executor/ops/wkv7_grad_warp.h"

namespace tidemark::ops {

/// A block's shared memory. `parts`: what lanes of the same column (or value) found, [kinds, parts, columns].
struct Wkv7GradShared {
  enum Kind { kR, kDecay, kKey, kB, kValue, kAlong, kA, kKinds };
  static_assert(kKinds == cuda::kWkv7Kinds);
  float *state, *gradient;  ///< [columns, stride]; the latter of the state after the row
  float *dy, *along;        ///< [kWkv7Rows, stride]
  float* part;
  float* total;  ///< [kinds, columns]
  float *of_k_k, *of_k_a;
  float* tile;
  int64_t columns, parts;

  static TIDEMARK_HOST_DEVICE int64_t parts_of(int64_t columns) {
    return device::larger<int64_t>(1, cuda::kWkv7Lanes / columns);
  }
  TIDEMARK_HOST_DEVICE Wkv7GradShared(float* memory, int64_t n, int64_t stride)
      : columns(n), parts(parts_of(n)) {
    state = memory;
    gradient = state + n * stride;
    dy = gradient + n * stride;
    along = dy + cuda::kWkv7Rows * stride;
    part = along + cuda::kWkv7Rows * stride;
    total = part + kKinds * parts * n;
    of_k_k = total + kKinds * n;
    of_k_a = of_k_k + n;
    tile = of_k_a + n;
  }
  TIDEMARK_HOST_DEVICE float& found(int kind, int64_t p, int64_t i) const {
    return part[(kind * parts + p) * columns + i];
  }
  TIDEMARK_HOST_DEVICE float& sum(int kind, int64_t i) const { return total[kind * columns + i]; }
  TIDEMARK_HOST_DEVICE void add_up(int kind, int64_t i) const {
    float sum_of_parts = 0;
    for (int64_t p = 0; p < parts; ++p) sum_of_parts += found(kind, p, i);
    sum(kind, i) = sum_of_parts;
  }
};

/// One row back: the state after it becomes the one before, and so does the gradient.
template <typename Group>
TIDEMARK_DEVICE void reverse_wkv7_row(Group& group, const Wkv7GradShared& m, const Wkv7Tile& tile, int64_t t,
                                      bool begins) {
  using Kind = Wkv7GradShared;
  const int64_t n = m.columns, stride = tile.stride, at = t * stride;
  group.each(m.parts * n, [&](int64_t lane) {
    const int64_t part = lane / n, j = lane % n;
    const float r = tile.r[at + j], key = tile.key[at + j], b = tile.b[at + j];
    const float inverse_decay = 1 / tile.decay[at + j];
    float dr = 0, ddecay = 0, dkey = 0, db = 0;
    for (int64_t i = part; i < n; i += m.parts) {
      const float dy = m.dy[at + i], value = tile.value[at + i], along = m.along[at + i];
      float& after = m.state[i * stride + j];
      const float gradient = fmaf(dy, r, m.gradient[i * stride + j]);
      const float before = begins ? 0.0f : (after - fmaf(along, b, value * key)) * inverse_decay;
      dr = fmaf(dy, after, dr);
      ddecay = fmaf(gradient, before, ddecay);
      dkey = fmaf(gradient, value, dkey);
      db = fmaf(gradient, along, db);
      m.gradient[i * stride + j] = gradient;
      after = before;
    }
    m.found(Kind::kR, part, j) = dr;
    m.found(Kind::kDecay, part, j) = ddecay;
    m.found(Kind::kKey, part, j) = dkey;
    m.found(Kind::kB, part, j) = db;
  });
  group.each(m.parts * n, [&](int64_t lane) {
    const int64_t part = lane / n, i = lane % n;
    float dvalue = 0, dalong = 0;
    for (int64_t j = part; j < n; j += m.parts) {
      const float gradient = m.gradient[i * stride + j];
      dvalue = fmaf(gradient, tile.key[at + j], dvalue);
      dalong = fmaf(gradient, tile.b[at + j], dalong);
    }
    m.found(Kind::kValue, part, i) = dvalue;
    m.found(Kind::kAlong, part, i) = dalong;
  });
  group.each(n, [&](int64_t i) {
    for (int kind = 0; kind < Kind::kA; ++kind) m.add_up(kind, i);
  });
  group.each(m.parts * n, [&](int64_t lane) {
    const int64_t part = lane / n, j = lane % n;
    const float decay = tile.decay[at + j], a = tile.a[at + j];
    float da = 0;
    for (int64_t i = part; i < n; i += m.parts) {
      const float dalong = m.sum(Kind::kAlong, i);
      float& gradient = m.gradient[i * stride + j];
      da = fmaf(dalong, m.state[i * stride + j], da);
      gradient = begins ? 0.0f : fmaf(gradient, decay, dalong * a);
    }
    m.found(Kind::kA, part, j) = da;
  });
  group.each(n, [&](int64_t i) { m.add_up(Kind::kA, i); });
}

/// From the gradients of what the recurrence takes to those of the op's operands.
template <typename T, typename Group>
TIDEMARK_DEVICE void store_wkv7_row(Group& group, const DeviceWkv7Grad<T>& g, const Wkv7GradShared& m,
                                    const Wkv7Tile& tile, int64_t head, int64_t row, int64_t t) {
  using Kind = Wkv7GradShared;
  const DeviceWkv7<T>& s = g.s;
  const int64_t n = m.columns, from = s.at(row + t, head), at = t * tile.stride;
  const auto rate_of = [&](int64_t i) { return device::sigmoid(device::to_float(s.a[from + i])); };
  const auto ddirection = [&](int64_t i) {
    return fmaf(m.sum(Kind::kB, i), rate_of(i), -m.sum(Kind::kA, i));
  };
  const float dot = group.template sum<float>(n, [&](int64_t i) { return ddirection(i) * tile.a[at + i]; });
  group.each(n, [&](int64_t i) {
    const Wkv7RowOperands of{device::to_float(s.k[from + i]),
                             rate_of(i),
                             device::sigmoid(device::to_float(s.w[from + i])),
                             device::to_float(s.k_k[head * n + i]),
                             device::to_float(s.k_a[head * n + i]),
                             tile.a[at + i],
                             tile.inverse_norm[t]};
    const Wkv7RowGradients found =
        wkv7_row_gradients(of, m.sum(Kind::kB, i), m.sum(Kind::kKey, i),
                           m.sum(Kind::kDecay, i) * tile.decay[at + i], ddirection(i), dot);
    m.of_k_k[i] += found.k_k;
    m.of_k_a[i] += found.k_a;
    store_wkv7_gradients(g, from + i, m.sum(Kind::kR, i), found);
    device::store(g.dv + from + i, plus_so_far(g.dv_acc, from + i, m.sum(Kind::kValue, i)));
  });
}

/// The rows [begin, end) of a chunk: their states again, a piece of rows at a time, then back.
template <typename T, typename Group>
TIDEMARK_DEVICE void reverse_wkv7_chunk(Group& group, const DeviceWkv7Grad<T>& g, const Wkv7GradShared& m,
                                        int64_t block, int64_t sequence_begin, int64_t begin, int64_t end) {
  const DeviceWkv7<T>& s = g.s;
  const int64_t n = m.columns, stride = s.stride(), head = block % s.heads;
  const Wkv7Tile tile(m.tile, stride);
  float* const pieces = g.pieces + block * g.pieces_floats;
  float* const alongs = g.alongs + block * g.alongs_floats;
  const bool continues = sequence_begin < begin;
  const float* const saved = g.states + s.saved(begin / s.chunk_rows, head);
  group.each(n * n, [&](int64_t e) { m.state[e / n * stride + e % n] = continues ? saved[e] : 0.0f; });
  for (int64_t row = begin; row < end; row += cuda::kWkv7Rows) {
    const int64_t rows = device::smaller(cuda::kWkv7Rows, end - row);
    float* const piece = pieces + (row - begin) / cuda::kWkv7Rows * n * n;
    group.each(n * n, [&](int64_t e) { piece[e] = m.state[e / n * stride + e % n]; });
    load_tile(group, s, head, row, rows, tile);
    group.each(n, [&](int64_t i) {
      for (int64_t t = 0; t < rows; ++t)
        alongs[(row - begin + t) * n + i] = advance_value(tile, n, t, i, m.state + i * stride).along;
    });
  }
  for (int64_t piece_index = (end - begin + cuda::kWkv7Rows - 1) / cuda::kWkv7Rows; piece_index-- > 0;) {
    const int64_t row = begin + piece_index * cuda::kWkv7Rows;
    const int64_t rows = device::smaller(cuda::kWkv7Rows, end - row);
    load_tile(group, s, head, row, rows, tile);
    group.each(rows * n, [&](int64_t e) {
      const int64_t t = e / n, i = e % n;
      m.dy[t * stride + i] = device::to_float(g.dy[s.at(row + t, head) + i]);
      m.along[t * stride + i] = alongs[(row - begin + t) * n + i];
    });
    for (int64_t t = rows; t-- > 0;) {
      reverse_wkv7_row(group, m, tile, t, row + t == sequence_begin);
      store_wkv7_row(group, g, m, tile, head, row, t);
    }
    const float* const piece = pieces + piece_index * n * n;
    group.each(n * n, [&](int64_t e) { m.state[e / n * stride + e % n] = piece[e]; });
  }
}

template <typename T, typename Device, typename Scratch>
void wkv7_grad_recurrence(Device& device, const DeviceWkv7Grad<T>& g, const Scratch& scratch) {
  using Group = typename Device::Group;
  const int64_t heads = g.s.heads, n = g.s.columns, stride = g.s.stride();
  device.launch(
      g.s.sequences * heads, static_cast<int>(cuda::kWkv7Lanes), scratch.shared_bytes(),
      TIDEMARK_BODY(Group & group, int64_t block) {
        const DeviceWkv7<T>& s = g.s;
        const int64_t sequence = block / heads;
        const int64_t begin = s.cu_seqlens[sequence], end = s.cu_seqlens[sequence + 1];
        const Wkv7GradShared m(scratch.template of<float>(group, block), n, stride);
        group.each(n * stride, [&](int64_t i) { m.gradient[i] = 0; });
        group.each(n, [&](int64_t i) { m.of_k_k[i] = m.of_k_a[i] = 0; });
        for (int64_t chunk_end = end; chunk_end > begin;) {
          const int64_t chunk_begin = device::larger(begin, (chunk_end - 1) / s.chunk_rows * s.chunk_rows);
          reverse_wkv7_chunk(group, g, m, block, begin, chunk_begin, chunk_end);
          chunk_end = chunk_begin;
        }
        group.each(n, [&](int64_t i) {
          g.of_k_k[block * n + i] = m.of_k_k[i];
          g.of_k_a[block * n + i] = m.of_k_a[i];
        });
      });
}

template <typename T, typename Device>
void wkv7_grad_typed(const KernelArgs& args, Device& device) {
  const DeviceWkv7Grad<T> g = device_wkv7_grad<T>(args);
  if (cuda::wkv7_on_tensor_cores(args.op, 1)) {
    if constexpr (std::is_same_v<T, Bf16>) wkv7_grad_on_tensor_cores(device, g);
  } else {
    device::with_scratch(device, cuda::wkv7_grad_block_bytes(g.s.columns),
                         g.alongs + g.s.sequences * g.s.heads * g.alongs_floats,
                         [&](auto scratch) { wkv7_grad_recurrence(device, g, scratch); });
  }
  const int64_t columns = g.s.heads * g.s.columns;
  sum_columns<float, T>(device, g.of_k_k, g.s.sequences, columns, columns, nullptr, args.out<T>(5));
  sum_columns<float, T>(device, g.of_k_a, g.s.sequences, columns, columns, nullptr, args.out<T>(6));
}

template <typename Device>
void wkv7_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), wkv7_grad_typed, args, device);
}

}  // namespace tidemark::ops
