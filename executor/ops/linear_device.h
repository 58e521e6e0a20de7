#pragma once

#include "executor/ops/column_sum_device.h"
#include "executor/ops/weight_rows.h"

namespace tidemark::ops {

/// Output 0 of inputs 0 and 1, all row-major; k and what else there is to it is the caller's.
inline device::Matmul device_product(const KernelArgs& args) {
  const TensorType& c = args.op.out(0);
  device::Matmul p;
  p.m = c.shape[0];
  p.n = c.shape[1];
  p.a = args.inputs[0];
  p.lda = args.op.in(0).shape[1];
  p.b = args.inputs[1];
  p.ldb = args.op.in(1).shape[1];
  p.c = args.outputs[0];
  p.ldc = p.n;
  p.dtype = p.c_dtype = c.dtype;
  p.workspace = args.workspace;
  return p;
}

template <typename Device>
void linear_device(const KernelArgs& args, Device& device) {
  device::Matmul p = device_product(args);
  p.k = p.lda;
  p.b_transposed = true;
  p.dtype = args.op.in(0).dtype;
  p.b = first_row(args, args.inputs[1], args.op.in(1));
  if (args.op.has_in(2)) p.bias = first_row(args, args.inputs[2], args.op.in(2));
  if (args.op.has_in(3)) p.start = args.inputs[3];
  device.matmul(p);
}

template <typename Device>
void linear_grad_input_device(const KernelArgs& args, Device& device) {
  device::Matmul p = device_product(args);
  p.k = p.lda;
  p.b = first_row(args, args.inputs[1], args.op.in(1));
  if (args.op.has_in(2)) p.start = args.inputs[2];
  device.matmul(p);
}

template <typename Device>
void linear_grad_weight_device(const KernelArgs& args, Device& device) {
  device::Matmul p = device_product(args);
  const RowSums sums = row_sums(args);
  if (sums.clears) device.zero(args.outputs[0], args.op.out(0).bytes());
  p.m = p.lda;
  p.k = args.op.in(0).shape[0];
  p.a_transposed = true;
  p.start = sums.start;
  p.c = sums.y;
  device.matmul(p);
}

template <typename T, typename Device>
void column_sum_typed(const KernelArgs& args, Device& device) {
  const TensorType& dy = args.op.in(0);
  const int64_t rows = dy.shape[0], tail = args.op.has_in(1) ? args.op.in(1).shape[1] : 0;
  const int64_t body = dy.shape[1] - tail;
  const RowSums sums = row_sums(args);
  if (sums.clears) device.zero(args.outputs[0], args.op.out(0).bytes());
  const T* const start = static_cast<const T*>(sums.start);
  T* const y = static_cast<T*>(sums.y);
  sum_columns(device, args.in<T>(0), rows, body, dy.shape[1], start, y);
  if (tail > 0)
    sum_columns(device, args.in<T>(1), rows, tail, tail, start ? start + body : nullptr, y + body);
}

template <typename Device>
void column_sum_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), column_sum_typed, args, device);
}

}  // namespace tidemark::ops
