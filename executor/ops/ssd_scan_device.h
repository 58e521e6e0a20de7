// Mamba-2's scan (Dao & Gu 2024) on a device, as the recurrence that it is; of bf16 in whole chunks, on
// tensor cores.
#pragma once

#include "executor/ops/ssd_scan_device_rows.h"

namespace tidemark::ops {

/// The states [states, columns] of a head, as forward scans make them.
template <typename T>
struct SsdForward : OuterScan {
  DeviceSsd<T> s;
  int64_t group_heads = 1;

  TIDEMARK_HOST_DEVICE float query(int64_t row, int64_t head, int64_t n) const {
    return s.c(row, head / group_heads, n);
  }
  TIDEMARK_HOST_DEVICE float left(int64_t row, int64_t head, int64_t n) const {
    return s.b(row, head / group_heads, n);
  }
  TIDEMARK_HOST_DEVICE float right(int64_t row, int64_t head, int64_t p) const {
    return s.delta[row * s.heads + head] * s.x(row, head, p);
  }
  TIDEMARK_HOST_DEVICE float decay(int64_t row, int64_t head, int64_t) const {
    return s.decay[row * s.heads + head];
  }
};

template <typename T>
struct SsdOutput : SsdForward<T> {
  using SsdForward<T>::s;
  static constexpr bool kSaves = true;
  T* y = nullptr;
  float* states = nullptr;

  TIDEMARK_HOST_DEVICE bool saves(int64_t row) const {
    return (row + 1) % s.chunk_rows == 0 && row + 1 < s.rows;
  }
  TIDEMARK_HOST_DEVICE void after(int64_t row, int64_t head, int64_t n, int64_t p, float state) const {
    states[s.saved((row + 1) / s.chunk_rows, head, n, p)] = state;
  }
  TIDEMARK_HOST_DEVICE void out(int64_t row, int64_t head, int64_t p, float sum) const {
    device::store(y + (row * s.heads + head) * s.columns + p, fmaf(s.d[head], s.x(row, head, p), sum));
  }
};

template <typename Device>
void ssd_scan_on_tensor_cores(Device& device, const DeviceSsd<Bf16>& s, const OuterShape& shape, Bf16* y,
                              float* states) {
  set_exponents(device, s, shape);
  const SsdOperands operands(s);
  OuterProducts p = ssd_products(s, shape);
  p.query = operands.c;
  p.left = operands.b;
  p.right = operands.x;
  p.into.of = s.delta;
  p.keeps = s.d;
  p.out = y;
  p.states = states;
  outer_products<false>(device, p);
}

template <typename T, typename Device>
void ssd_scan_typed(const KernelArgs& args, Device& device) {
  SsdOutput<T> scan;
  scan.s = device_ssd<T>(args, device, 0);
  scan.group_heads = scan.s.group_heads();
  scan.y = args.out<T>(0);
  scan.states = args.out<float>(1);
  device.zero(scan.states, 4 * scan.s.saved(1, 0, 0, 0));
  float* const spilled = scan.s.decay + scan.s.rows * scan.s.heads;
  const OuterShape shape = outer_shape(args, 5, scan.s.heads, scan.s.states, scan.s.columns, spilled);
  if constexpr (std::is_same_v<T, Bf16>)
    if (cuda::ssd_on_tensor_cores(args.op, 0))
      return ssd_scan_on_tensor_cores(device, scan.s, shape, scan.y, scan.states);
  outer_scan<false>(device, shape, scan);
}

template <typename Device>
void ssd_scan_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), ssd_scan_typed, args, device);
}

}  // namespace tidemark::ops
