// Mamba-2's norm of x silu(gate) on a device.
#pragma once

#include "executor/ops/column_sum_device.h"
#include "executor/ops/norm_device.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

/// Of a span of a row: x, the gate, its sigmoid, and x silu(gate).
template <int n>
struct GatedValues {
  device::Floats<n> x, gate, open, value;
};

template <typename T>
struct DeviceGatedNorm {
  static constexpr int kWide = device::kWide<T>;

  int64_t width = 0, columns = 0, groups = 0;  ///< columns of a group
  const T* x = nullptr;
  const T* gate = nullptr;  ///< its first column
  int64_t gate_stride = 0;
  const T* weight = nullptr;

  /// The columns of a group, where rows of the width and of the gate's begin as `others` do.
  template <typename... Others>
  device::Spans<kWide> spans(const Others*... others) const {
    return {columns, aligned(others...)};
  }
  template <typename... Others>
  bool aligned(const Others*... others) const {
    return device::are_aligned<kWide>(columns, x, gate, weight, others...) && gate_stride % kWide == 0;
  }
  /// At columns `first` and following.
  template <int n>
  TIDEMARK_DEVICE_INLINE GatedValues<n> values(int64_t row, int64_t first, device::Span<n> at) const {
    GatedValues<n> of;
    of.x = at.load(x + row * width + first);
    of.gate = at.load(gate + row * gate_stride + first);
    of.open = at.all([&](int j) { return device::sigmoid(of.gate[j]); });
    of.value = at.all([&](int j) { return of.x[j] * of.gate[j] * of.open[j]; });
    return of;
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
  const auto spans = n.spans(y);
  device.launch(
      args.op.in(0).shape[0] * n.groups, lanes_for_spans(spans), 0,
      TIDEMARK_BODY(Group & group, int64_t index) {
        const device::Division of = device::split(index, n.groups);
        const int64_t row = of.quotient, first = of.rest * n.columns;
        const float squares = device::sum_spans(group, spans, [&](auto at) {
          const auto v = n.values(row, first, at).value;
          return at.sum([&](int j) { return v[j] * v[j]; });
        });
        const float rstd = 1 / sqrtf(squares / static_cast<float>(n.columns) + epsilon);
        device::each_span(group, spans, [&](auto at) {
          const auto v = n.values(row, first, at).value, w = at.load(n.weight + first);
          at.store(y + row * n.width + first, [&](int j) { return v[j] * rstd * w[j]; });
          if (at.first == 0) rstd_out[index] = rstd;
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

  const auto of_weight = TIDEMARK_BODY(int64_t row, auto at) {
    const auto d = at.load(dy + row * width), v = n.values(row, 0, at).value;
    const float r = rstd[row * n.groups + group_at(at.first, n.groups, n.columns)];
    return at.all([&](int j) { return d[j] * v[j] * r; });
  };
  sum_columns_of<DeviceGatedNorm<T>::kWide>(device, rows, width, n.aligned(dy), of_weight,
                                            static_cast<float*>(args.workspace), args.out<T>(2));

  const auto spans = n.spans(dy, dx, dgate);
  device.launch(
      rows * n.groups, lanes_for_spans(spans), 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const device::Division of = device::split(index, n.groups);
        const int64_t row = of.quotient, first = of.rest * n.columns, begin = row * width + first;
        const float r = rstd[index];
        const float dot = device::sum_spans(group, spans, [&](auto at) {
          const auto d = at.load(dy + begin), w = at.load(n.weight + first);
          const auto v = n.values(row, first, at).value;
          return at.sum([&](int j) { return d[j] * w[j] * (v[j] * r); });
        });
        const float mean = dot / static_cast<float>(n.columns);
        device::each_span(group, spans, [&](auto at) {
          const auto of_y = at.load(dy + begin), w = at.load(n.weight + first);
          const auto v = n.values(row, first, at);
          T* const to = dgate + row * n.gate_stride + first;
          const auto start = at.load(to);
          const auto d = at.all([&](int j) { return (of_y[j] * w[j] - v.value[j] * r * mean) * r; });
          at.store(to, [&](int j) {
            const float s = v.open[j];
            return fmaf(d[j] * v.x[j] * s, fmaf(v.gate[j], 1.0f - s, 1.0f), start[j]);
          });
          at.store(dx + begin, [&](int j) { return d[j] * v.gate[j] * v.open[j]; });
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
