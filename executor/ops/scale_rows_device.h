#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

template <typename T, typename Device>
void scale_rows_typed(const KernelArgs& args, Device& device) {
  const int64_t columns = args.op.in(0).shape[1];
  const T* const weight = args.in<T>(0);
  const float* const log_scale = args.in<float>(1);
  T* const y = args.out<T>(0);
  constexpr int kWide = device::kWide<T>;
  device::each_span<kWide>(
      device, args.op.in(0).shape.elements(), columns % kWide == 0, TIDEMARK_BODY(auto at) {
        const auto w = at.load(weight);
        const float factor = expf(log_scale[device::split(at.first, columns).quotient]);
        at.store(y, [&](int j) { return w[j] * factor; });
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
  constexpr int kWide = device::kWide<T>;
  const device::Spans<kWide> spans(columns, columns % kWide == 0);
  device.launch(
      args.op.in(1).shape[0], lanes_for_spans(spans), 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const int64_t begin = row * columns;
        const float factor = expf(log_scale[row]);
        const float dot = device::sum_spans(group, spans, [&](auto at) {
          const auto d = at.load(dy + begin), w = at.load(weight + begin);
          return at.sum([&](int j) { return d[j] * w[j]; });
        });
        device::each_span(group, spans, [&](auto at) {
          const auto d = at.load(dy + begin);
          at.store(dweight + begin, [&](int j) { return d[j] * factor; });
          if (at.first == 0) dlog_scale[row] = factor * dot;
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
