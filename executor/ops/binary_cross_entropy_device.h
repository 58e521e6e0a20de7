#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

/// `dlogits` nullptr: not wanted; it may be the logits.
template <typename T, typename Device>
void binary_cross_entropy_typed(const KernelArgs& args, Device& device, void* dlogits) {
  using Group = typename Device::Group;
  const int64_t rows = args.op.in(0).shape[0], columns = args.op.in(0).shape[1];
  const T* const logits = args.in<T>(0);
  const T* const targets = args.in<T>(1);
  float* const loss = args.out<float>(0);
  float* const nll = args.out<float>(1);
  T* const d = static_cast<T*>(dlogits);
  const auto scale =
      d ? static_cast<float>(args.op.attributes().number("grad_scale") / static_cast<double>(rows)) : 0.0f;
  device.launch(
      rows, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const int64_t at = row * columns;
        const auto total = group.template sum<float>(columns, [&](int64_t i) {
          const float x = device::to_float(logits[at + i]), target = device::to_float(targets[at + i]);
          return fmaf(-x, target, device::larger(0.0f, x)) + log1pf(expf(-fabsf(x)));
        });
        group.each(1, [&](int64_t) { nll[row] = total; });
        if (!d) return;
        group.each(columns, [&](int64_t i) {
          const float x = device::to_float(logits[at + i]);
          device::store(d + at + i, (device::sigmoid(x) - device::to_float(targets[at + i])) * scale);
        });
      });
  device.launch(
      1, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t) {
        const auto total =
            group.template sum<double>(rows, [&](int64_t i) { return static_cast<double>(nll[i]); });
        group.each(1, [&](int64_t) { *loss = static_cast<float>(total / static_cast<double>(rows)); });
      });
}

template <typename Device>
void binary_cross_entropy_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), binary_cross_entropy_typed, args, device, nullptr);
}
template <typename Device>
void binary_cross_entropy_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), binary_cross_entropy_typed, args, device, args.outputs[2]);
}

}  // namespace tidemark::ops
