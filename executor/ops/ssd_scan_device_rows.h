// What Mamba-2's scan and its gradient share on a device: the operands, and the time steps of every head.
#pragma once

#include "executor/ops/outer_scan_device.h"
#include "executor/ops/outer_scan_warp.h"
#include "executor/ops/selective_scan_device_rows.h"

namespace tidemark::ops {

template <typename T>
struct DeviceSsd {
  int64_t rows = 0, heads = 0, columns = 0, groups = 0, states = 0, chunk_rows = 0;
  const T* xbc = nullptr;
  int64_t stride = 0;
  const T* dt = nullptr;  ///< its first column
  int64_t dt_stride = 0;
  const float* a_log = nullptr;
  const float* d = nullptr;
  const float* dt_bias = nullptr;
  float dt_min = 0, dt_max = 0;
  float* delta = nullptr;  ///< [rows, heads], as the next
  float* decay = nullptr;  ///< or, on tensor cores, the exponents of OuterProducts

  int64_t group_heads() const { return heads / groups; }
  TIDEMARK_HOST_DEVICE float x(int64_t row, int64_t head, int64_t p) const {
    return device::to_float(xbc[row * stride + head * columns + p]);
  }
  TIDEMARK_HOST_DEVICE float b(int64_t row, int64_t group, int64_t n) const {
    return device::to_float(xbc[row * stride + heads * columns + group * states + n]);
  }
  TIDEMARK_HOST_DEVICE float c(int64_t row, int64_t group, int64_t n) const {
    return b(row, groups + group, n);
  }
  TIDEMARK_HOST_DEVICE float a(int64_t head) const { return -expf(a_log[head]); }
  /// Before the softplus.
  TIDEMARK_HOST_DEVICE float step(int64_t row, int64_t head) const {
    return device::to_float(dt[row * dt_stride + head]) + dt_bias[head];
  }
  /// Of the saved states [chunks, heads, states, columns].
  TIDEMARK_HOST_DEVICE int64_t saved(int64_t chunk, int64_t head, int64_t n, int64_t p) const {
    return ((chunk * heads + head) * states + n) * columns + p;
  }
};

/// xbc, dt, A_log, D and dt_bias are inputs `first` and the following. Begins the workspace.
template <typename T, typename Device>
DeviceSsd<T> device_ssd(const KernelArgs& args, Device& device, int first) {
  const Attributes& attributes = args.op.attributes();
  DeviceSsd<T> s;
  s.rows = args.op.in(first).shape[0];
  s.heads = attributes.integer("heads");
  s.groups = attributes.integer("groups");
  s.states = attributes.integer("states");
  s.stride = args.op.in(first).shape[1];
  s.columns = (s.stride - 2 * s.groups * s.states) / s.heads;
  s.chunk_rows = attributes.integer("chunk_rows");
  s.xbc = args.in<T>(first);
  s.dt = args.in<T>(first + 1) + attributes.integer("first_column");
  s.dt_stride = args.op.in(first + 1).shape[1];
  s.a_log = args.in<float>(first + 2);
  s.d = args.in<float>(first + 3);
  s.dt_bias = args.in<float>(first + 4);
  s.dt_min = static_cast<float>(attributes.number("dt_min"));
  s.dt_max = attributes.has("dt_max") ? static_cast<float>(attributes.number("dt_max")) : INFINITY;
  s.delta = static_cast<float*>(args.workspace);
  s.decay = s.delta + s.rows * s.heads;
  device.each(
      s.rows * s.heads, TIDEMARK_BODY(int64_t i) {
        const int64_t row = i / s.heads, head = i % s.heads;
        const float delta = device::smaller(s.dt_max, device::larger(s.dt_min, softplus(s.step(row, head))));
        s.delta[i] = delta;
        s.decay[i] = expf(delta * s.a(head));
      });
  return s;
}

/// Of the operands on tensor cores, in place of the decays.
template <typename Device>
void set_exponents(Device& device, const DeviceSsd<Bf16>& s, const OuterShape& shape) {
  device.each(
      divided(s.rows, s.chunk_rows) * s.heads, TIDEMARK_BODY(int64_t lane) {
        const int64_t head = lane % s.heads, begin = lane / s.heads * s.chunk_rows;
        const int64_t end = device::smaller(begin + s.chunk_rows, s.rows);
        int64_t sequence = device::sequence_at(shape.cu_seqlens, shape.sequences + 1, begin);
        const double a = static_cast<double>(s.a(head)) * 1.4426950408889634;
        double exponent = 0;
        for (int64_t row = begin; row < end; ++row) {
          for (; shape.cu_seqlens[sequence + 1] <= row; ++sequence) exponent = 0;
          exponent += a * static_cast<double>(s.delta[row * s.heads + head]);
          s.decay[row * s.heads + head] = static_cast<float>(exponent);
        }
      });
}

/// B, C and x are what a scan's operands are made of.
struct SsdOperands {
  HeadOperand x, b, c;

  explicit SsdOperands(const DeviceSsd<Bf16>& s) {
    const auto int_of = [](int64_t n) { return static_cast<int>(n); };
    x = {s.xbc, int_of(s.stride), 0, int_of(s.columns), 1, int_of(s.columns)};
    b = {s.xbc,
         int_of(s.stride),
         int_of(s.heads * s.columns),
         int_of(s.states),
         int_of(s.group_heads()),
         int_of(s.states)};
    c = b;
    c.first += int_of(s.groups * s.states);
  }
};

/// What all scans have.
inline OuterProducts ssd_products(const DeviceSsd<Bf16>& s, const OuterShape& shape) {
  OuterProducts p;
  p.sequences = static_cast<int>(shape.sequences);
  p.heads = static_cast<int>(s.heads);
  p.rows = static_cast<int>(s.rows);
  p.chunk_rows = static_cast<int>(std::min(s.rows, s.chunk_rows));
  p.cu_seqlens = shape.cu_seqlens;
  p.exponents = s.decay;
  p.state_columns = static_cast<int>(s.columns);
  p.out_stride = static_cast<int>(s.heads * s.columns);
  return p;
}

}  // namespace tidemark::ops
