// Mamba-2's norm of x silu(gate) on a device.
#pragma once

#include "executor/ops/column_sum_device.h"
#include "executor/ops/norm_device.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

template <typename T>
struct DeviceGatedNorm {
  int64_t width = 0, columns = 0, groups = 0;  ///< columns of a group
  const T* x = nullptr;
  const T* gate = nullptr;  ///< its first column
  int64_t gate_stride = 0;
  const T* weight = nullptr;

  TIDEMARK_HOST_DEVICE float gate_at(int64_t row, int64_t column) const {
    return device::to_float(gate[row * gate_stride + column]);
  }
  TIDEMARK_HOST_DEVICE float value(int64_t row, int64_t column) const {
    const float g = gate_at(row, column);
    return device::to_float(x[row * width + column]) * g * device::sigmoid(g);
  }
};

/// x, gate and weight are inputs `first` and the following.
template <typename T>
DeviceGatedNorm<T> device_gated_norm(const KernelArgs& args, int first) {
  const NormRows norm = norm_rows(args, args.op.in(first));
  return {norm.row_columns,
          norm.columns(),
          norm.groups,
          args.in<T>(first),
          args.in<T>(first + 1) + args.op.attributes().integer("first_column"),
          args.op.in(first + 1).shape[1],
          args.in<T>(first + 2)};
}

template <typename T, typename Device>
void gated_rms_norm_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceGatedNorm<T> n = device_gated_norm<T>(args, 0);
  const auto epsilon = static_cast<float>(args.op.attributes().number("epsilon"));
  T* const y = args.out<T>(0);
  float* const rstd_out = args.out<float>(1);
  device.launch(
      args.op.in(0).shape[0] * n.groups, lanes_for(n.columns), 0,
      TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t row = index / n.groups, first = index % n.groups * n.columns;
        const auto squares = group.template sum<float>(n.columns, [&](int64_t i) {
          const float v = n.value(row, first + i);
          return v * v;
        });
        const float rstd = 1 / sqrtf(squares / static_cast<float>(n.columns) + epsilon);
        group.each(n.columns, [&](int64_t i) {
          const float value = n.value(row, first + i) * rstd;
          device::store(y + row * n.width + first + i, value * device::to_float(n.weight[first + i]));
          if (i == 0) rstd_out[index] = rstd;
        });
      });
}

// As rms_norm_grad, of the value x silu(gate), which hands its gradient on to both.
template <typename T, typename Device>
void gated_rms_norm_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceGatedNorm<T> n = device_gated_norm<T>(args, 1);
  const int64_t rows = args.op.in(1).shape[0], width = n.width;
  const T* const dy = args.in<T>(0);
  const float* const rstd = args.in<float>(4);
  if (!args.op.has_in(5)) device.zero(args.outputs[1], args.op.out(1).bytes());
  T* const dx = args.out<T>(0);
  T* const dgate = args.out<T>(1) + args.op.attributes().integer("first_column");

  const auto of_weight = TIDEMARK_BODY(int64_t row, int64_t i) {
    return device::to_float(dy[row * width + i]) * n.value(row, i) * rstd[row * n.groups + i / n.columns];
  };
  sum_columns_of(device, rows, width, of_weight, static_cast<float*>(args.workspace), args.out<T>(2));

  device.launch(
      rows * n.groups, lanes_for(n.columns), 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t row = index / n.groups, first = index % n.groups * n.columns;
        const float r = rstd[index];
        const auto weighted = [&](int64_t i) {
          return device::to_float(dy[row * width + first + i]) * device::to_float(n.weight[first + i]);
        };
        const auto dot = group.template sum<float>(
            n.columns, [&](int64_t i) { return weighted(i) * (n.value(row, first + i) * r); });
        const float mean = dot / static_cast<float>(n.columns);
        group.each(n.columns, [&](int64_t i) {
          const float d = (weighted(i) - n.value(row, first + i) * r * mean) * r;
          const float gate = n.gate_at(row, first + i), s = device::sigmoid(gate);
          const int64_t at = row * width + first + i;
          T* const to = dgate + row * n.gate_stride + first + i;
          device::store(
              to, fmaf(d * device::to_float(n.x[at]) * s, fmaf(gate, 1.0f - s, 1.0f), device::to_float(*to)));
          device::store(dx + at, d * gate * s);
        });
      });
}

template <typename Device>
void gated_rms_norm_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), gated_rms_norm_typed, args, device);
}
template <typename Device>
void gated_rms_norm_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), gated_rms_norm_grad_typed, args, device);
}

}  // namespace tidemark::ops
