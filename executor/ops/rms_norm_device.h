#pragma once

#include "executor/ops/column_sum_device.h"
#include "executor/ops/norm_device.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

template <typename T, typename Device>
void rms_norm_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const NormRows norm = norm_rows(args, args.op.in(0));
  const int64_t columns = norm.columns(), groups = norm.groups;
  const auto epsilon = static_cast<float>(args.op.attributes().number("epsilon"));
  const T* const x = args.in<T>(0);
  const T* const weight = args.op.has_in(1) ? args.in<T>(1) : nullptr;
  T* const y = args.out<T>(0);
  float* const rstd_out = args.out<float>(1);
  constexpr int kWide = device::kWide<T>;
  const device::Spans<kWide> spans(columns, device::are_aligned<kWide>(columns, x, weight, y));
  device.launch(
      norm.rows * groups, lanes_for_spans(spans), 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const T* const from = x + index * columns;
        T* const to = y + index * columns;
        const T* const scale = group_of(weight, index, groups, columns);
        const float squares = device::sum_spans(group, spans, [&](auto at) {
          const auto v = at.load(from);
          return at.sum([&](int j) { return v[j] * v[j]; });
        });
        const float rstd = 1 / sqrtf(squares / static_cast<float>(columns) + epsilon);
        device::each_span(group, spans, [&](auto at) {
          const auto v = at.load(from), w = at.load_or(scale, 1.0f);
          at.store(to, [&](int j) { return v[j] * rstd * w[j]; });
          if (at.first == 0) rstd_out[index] = rstd;
        });
      });
}

// With n = x * rstd: dx = rstd * (dy * weight - n * mean(dy * weight * n)). The weight's gradient comes
// first, since dx may be stored over dy: of every so many rows, then their sum.
template <typename T, typename Device>
void rms_norm_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const NormRows norm = norm_rows(args, args.op.in(1));
  const int64_t rows = norm.rows, columns = norm.columns(), groups = norm.groups, width = norm.row_columns;
  const T* const dy = args.in<T>(0);
  const T* const x = args.in<T>(1);
  const T* const weight = args.op.has_in(2) ? args.in<T>(2) : nullptr;
  const float* const rstd = args.in<float>(3);
  const T* const residual = args.op.has_in(4) ? args.in<T>(4) : nullptr;
  T* const dx = args.out<T>(0);
  constexpr int kWide = device::kWide<T>;
  const bool aligned = device::are_aligned<kWide>(columns, dy, x, weight, residual, dx);

  if (args.op.has_out(1)) {
    const auto of_weight = TIDEMARK_BODY(int64_t row, auto at) {
      const auto d = at.load(dy + row * width), v = at.load(x + row * width);
      const float r = rstd[row * groups + group_at(at.first, groups, columns)];
      return at.all([&](int j) { return d[j] * v[j] * r; });
    };
    sum_columns_of<kWide>(device, rows, width, aligned, of_weight, static_cast<float*>(args.workspace),
                          args.out<T>(1));
  }

  const device::Spans<kWide> spans(columns, aligned);
  device.launch(
      rows * groups, lanes_for_spans(spans), 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t begin = index * columns;
        const T* const scale = group_of(weight, index, groups, columns);
        const float r = rstd[index];
        const float dot = device::sum_spans(group, spans, [&](auto at) {
          const auto d = at.load(dy + begin), v = at.load(x + begin), w = at.load_or(scale, 1.0f);
          return at.sum([&](int j) { return d[j] * w[j] * (v[j] * r); });
        });
        const float mean = dot / static_cast<float>(columns);
        device::each_span(group, spans, [&](auto at) {
          const auto d = at.load(dy + begin), v = at.load(x + begin), w = at.load_or(scale, 1.0f);
          const auto more = at.load_or(residual ? residual + begin : nullptr, 0.0f);
          at.store(dx + begin, [&](int j) { return (d[j] * w[j] - v[j] * r * mean) * r + more[j]; });
        });
      });
}

template <typename Device>
void rms_norm_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), rms_norm_typed, args, device);
}
template <typename Device>
void rms_norm_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), rms_norm_grad_typed, args, device);
}

}  // namespace tidemark::ops
