#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

template <typename T, typename Device>
void scale_rows_typed(const KernelArgs& args, Device& device) {
  const int64_t columns = args.op.in(0).shape[1];
  const T* const weight = args.in<T>(0);
  const float* const log_scale = args.in<float>(1);
  T* const y = args.out<T>(0);
  device.each(
      args.op.in(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        device::store(y + i, device::to_float(weight[i]) * expf(log_scale[i / columns]));
      });
}

template <typename T, typename Device>
void scale_rows_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const int64_t columns = args.op.in(1).shape[1];
  const T* const dy = args.in<T>(0);
  const T* const weight = args.in<T>(1);
  const float* const log_scale = args.in<float>(2);
  T* const dweight = args.out<T>(0);
  float* const dlog_scale = args.out<float>(1);
  device.launch(
      args.op.in(1).shape[0], kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const int64_t at = row * columns;
        const float factor = expf(log_scale[row]);
        const auto dot = group.template sum<float>(columns, [&](int64_t i) {
          return device::to_float(dy[at + i]) * device::to_float(weight[at + i]);
        });
        group.each(columns, [&](int64_t i) {
          device::store(dweight + at + i, device::to_float(dy[at + i]) * factor);
          if (i == 0) dlog_scale[row] = factor * dot;
        });
      });
}

template <typename Device>
void scale_rows_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), scale_rows_typed, args, device);
}
template <typename Device>
void scale_rows_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), scale_rows_grad_typed, args, device);
}

}  // namespace tidemark::ops
