#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

/// f(span of a row of `left`, row, true), and of one of `right` with false, for all of both, side by side.
template <int n, typename Device, typename F>
void each_side(Device& device, int64_t rows, int64_t left, int64_t right, const F& f) {
  const int64_t across = (left + right) / n;
  device.each(
      rows * across, TIDEMARK_BODY(int64_t i) {
        const device::Division of = device::split(i, across);
        const int64_t column = of.rest * n;
        const bool is_left = column < left;
        f(device::Span<n>{is_left ? column : column - left}, of.quotient, is_left);
      });
}
/// In spans as wide as the columns allow.
template <typename T, typename Device, typename F>
void copy_sides(Device& device, int64_t rows, int64_t left, int64_t right, const F& f) {
  constexpr int kWide = device::kWide<T>;
  left % kWide == 0 && right % kWide == 0 ? each_side<kWide>(device, rows, left, right, f)
                                          : each_side<1>(device, rows, left, right, f);
}

template <typename T, typename Device>
void concat_columns_typed(const KernelArgs& args, Device& device) {
  const int64_t width = args.op.out(0).shape[1], left = args.op.in(0).shape[1], right = width - left;
  const T* const a = args.in<T>(0);
  const T* const b = args.in<T>(1);
  T* const y = args.out<T>(0);
  copy_sides<T>(
      device, args.op.out(0).shape[0], left, right, TIDEMARK_BODY(auto at, int64_t row, bool is_left) {
        T* const to = y + row * width;
        is_left ? at.copy(a + row * left, to) : at.copy(b + row * right, to + left);
      });
}

template <typename T, typename Device>
void split_columns_typed(const KernelArgs& args, Device& device) {
  const int64_t width = args.op.in(0).shape[1], left = args.op.out(0).shape[1], right = width - left;
  const T* const x = args.in<T>(0);
  T* const a = args.out<T>(0);
  T* const b = args.out<T>(1);
  copy_sides<T>(
      device, args.op.in(0).shape[0], left, right, TIDEMARK_BODY(auto at, int64_t row, bool is_left) {
        const T* const from = x + row * width;
        is_left ? at.copy(from, a + row * left) : at.copy(from + left, b + row * right);
      });
}

template <typename Device>
void concat_columns_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), concat_columns_typed, args, device);
}
template <typename Device>
void split_columns_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), split_columns_typed, args, device);
}

}  // namespace tidemark::ops
