#pragma once

#include "executor/ops/column_sum_device.h"
#include "executor/ops/norm_device.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

template <typename T, typename Device>
void layer_norm_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const NormRows norm = norm_rows(args, args.op.in(0));
  const int64_t columns = norm.columns(), groups = norm.groups;
  const auto epsilon = static_cast<float>(args.op.attributes().number("epsilon"));
  const T* const x = args.in<T>(0);
  const T* const weight = args.in<T>(1);
  const T* const bias = args.op.has_in(2) ? args.in<T>(2) : nullptr;
  T* const y = args.out<T>(0);
  float* const mean_out = args.out<float>(1);
  float* const rstd_out = args.out<float>(2);
  constexpr int kWide = device::kWide<T>;
  const device::Spans<kWide> spans(columns, device::are_aligned<kWide>(columns, x, weight, bias, y));
  device.launch(
      norm.rows * groups, lanes_for_spans(spans), 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const T* const from = x + index * columns;
        T* const to = y + index * columns;
        const T* const scale = group_of(weight, index, groups, columns);
        const T* const shift = group_of(bias, index, groups, columns);
        const auto count = static_cast<float>(columns);
        const float mean = device::sum_spans(group, spans,
                                             [&](auto at) {
                                               const auto v = at.load(from);
                                               return at.sum([&](int j) { return v[j]; });
                                             }) /
                           count;
        const float squares = device::sum_spans(group, spans, [&](auto at) {
          const auto v = at.load(from);
          return at.sum([&](int j) { return (v[j] - mean) * (v[j] - mean); });
        });
        const float rstd = 1 / sqrtf(squares / count + epsilon);
        device::each_span(group, spans, [&](auto at) {
          const auto v = at.load(from), w = at.load(scale), more = at.load_or(shift, 0.0f);
          at.store(to, [&](int j) { return fmaf((v[j] - mean) * rstd, w[j], more[j]); });
          if (at.first > 0) return;
          mean_out[index] = mean;
          rstd_out[index] = rstd;
        });
      });
}

// With n the normed x and d = dy * weight: dx = rstd * (d - mean(d) - n *
// mean(d * n)). The gradients of weight and bias come first, since dx may be
// stored over dy: of every so many rows, then their sums.
template <typename T, typename Device>
void layer_norm_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const NormRows norm = norm_rows(args, args.op.in(1));
  const int64_t rows = norm.rows, columns = norm.columns(), groups = norm.groups, width = norm.row_columns;
  const T* const dy = args.in<T>(0);
  const T* const x = args.in<T>(1);
  const T* const weight = args.in<T>(2);
  const float* const mean = args.in<float>(4);
  const float* const rstd = args.in<float>(5);
  const T* const residual = args.op.has_in(6) ? args.in<T>(6) : nullptr;
  T* const dx = args.out<T>(0);
  constexpr int kWide = device::kWide<T>;
  const bool aligned = device::are_aligned<kWide>(columns, dy, x, weight, residual, dx);

  if (args.op.has_out(1) || args.op.has_out(2)) {
    auto* const parts = static_cast<float*>(args.workspace);  // of the weight's gradient, then of the bias's
    const int64_t blocks = cuda::row_parts(rows);
    const auto add_rows = TIDEMARK_BODY(int64_t part, int64_t begin, int64_t end, auto at) {
      auto of_weight = at.all([](int) { return 0.0f; }), of_bias = of_weight;
      const int64_t at_group = group_at(at.first, groups, columns);
      for (int64_t row = begin; row < end; ++row) {
        const float m = mean[row * groups + at_group], r = rstd[row * groups + at_group];
        const auto d = at.load(dy + row * width), v = at.load(x + row * width);
        of_weight = at.all([&](int j) { return of_weight[j] + d[j] * ((v[j] - m) * r); });
        of_bias = at.all([&](int j) { return of_bias[j] + d[j]; });
      }
      at.store(parts + part * width, [&](int j) { return of_weight[j]; });
      at.store(parts + (blocks + part) * width, [&](int j) { return of_bias[j]; });
    };
    each_part<kWide>(device, rows, width, aligned, add_rows);
    for (int i = 0; i < 2; ++i)
      if (args.op.has_out(1 + i))
        sum_columns<float, T>(device, parts + i * blocks * width, blocks, width, width, nullptr,
                              args.out<T>(1 + i));
  }

  const device::Spans<kWide> spans(columns, aligned);
  device.launch(
      rows * groups, lanes_for_spans(spans), 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t begin = index * columns;
        const T* const scale = group_of(weight, index, groups, columns);
        const float m = mean[index], r = rstd[index];
        const auto count = static_cast<float>(columns);
        const float along =
            device::sum_spans(group, spans,
                              [&](auto at) {
                                const auto d = at.load(dy + begin), v = at.load(x + begin),
                                           w = at.load(scale);
                                return at.sum([&](int j) { return d[j] * w[j] * ((v[j] - m) * r); });
                              }) /
            count;
        const float average = device::sum_spans(group, spans,
                                                [&](auto at) {
                                                  const auto d = at.load(dy + begin), w = at.load(scale);
                                                  return at.sum([&](int j) { return d[j] * w[j]; });
                                                }) /
                              count;
        device::each_span(group, spans, [&](auto at) {
          const auto d = at.load(dy + begin), v = at.load(x + begin), w = at.load(scale);
          const auto more = at.load_or(residual ? residual + begin : nullptr, 0.0f);
          at.store(dx + begin,
                   [&](int j) { return fmaf((m - v[j]) * r, along, d[j] * w[j] - average) * r + more[j]; });
        });
      });
}

template <typename Device>
void layer_norm_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), layer_norm_typed, args, device);
}
template <typename Device>
void layer_norm_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), layer_norm_grad_typed, args, device);
}

}  // namespace tidemark::ops
