#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

template <typename T, typename Device>
void concat_columns_typed(const KernelArgs& args, Device& device) {
  const int64_t width = args.op.out(0).shape[1], left = args.op.in(0).shape[1], right = width - left;
  const T* const a = args.in<T>(0);
  const T* const b = args.in<T>(1);
  T* const y = args.out<T>(0);
  device.each(
      args.op.out(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const int64_t row = i / width, column = i % width;
        y[i] = column < left ? a[row * left + column] : b[row * right + column - left];
      });
}

template <typename T, typename Device>
void split_columns_typed(const KernelArgs& args, Device& device) {
  const int64_t width = args.op.in(0).shape[1], left = args.op.out(0).shape[1], right = width - left;
  const T* const x = args.in<T>(0);
  T* const a = args.out<T>(0);
  T* const b = args.out<T>(1);
  device.each(
      args.op.in(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const int64_t row = i / width, column = i % width;
        (column < left ? a[row * left + column] : b[row * right + column - left]) = x[i];
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
