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
  device.launch(
      norm.rows * groups, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t at = index * columns, first = index % groups * columns;
        const auto count = static_cast<float>(columns);
        const float mean = group.template sum<float>(columns, [&](int64_t i) {
          return device::to_float(x[at + i]);
        }) / count;
        const auto squares = group.template sum<float>(columns, [&](int64_t i) {
          const float v = device::to_float(x[at + i]) - mean;
          return v * v;
        });
        const float rstd = 1 / sqrtf(squares / count + epsilon);
        group.each(columns, [&](int64_t i) {
          const float shift = bias ? device::to_float(bias[first + i]) : 0.0f;
          const float n = (device::to_float(x[at + i]) - mean) * rstd;
          device::store(y + at + i, fmaf(n, device::to_float(weight[first + i]), shift));
          if (i > 0) return;
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

  if (args.op.has_out(1) || args.op.has_out(2)) {
    auto* const parts = static_cast<float*>(args.workspace);  // of the weight's gradient, then of the bias's
    const int64_t blocks = cuda::row_parts(rows);
    device.launch(
        blocks, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t block) {
          const int64_t begin = block * cuda::kPartRows;
          const int64_t end = device::smaller(rows, begin + cuda::kPartRows);
          group.each(width, [&](int64_t i) {
            float of_weight = 0, of_bias = 0;
            for (int64_t row = begin; row < end; ++row) {
              const int64_t index = row * groups + i / columns;
              const float d = device::to_float(dy[row * width + i]);
              of_weight += d * ((device::to_float(x[row * width + i]) - mean[index]) * rstd[index]);
              of_bias += d;
            }
            parts[block * width + i] = of_weight;
            parts[(blocks + block) * width + i] = of_bias;
          });
        });
    for (int i = 0; i < 2; ++i)
      if (args.op.has_out(1 + i))
        sum_columns<float, T>(device, parts + i * blocks * width, blocks, width, width, nullptr,
                              args.out<T>(1 + i));
  }

  device.launch(
      rows * groups, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t at = index * columns, first = index % groups * columns;
        const float m = mean[index], r = rstd[index];
        const auto weighted = [&](int64_t i) {
          return device::to_float(dy[at + i]) * device::to_float(weight[first + i]);
        };
        const auto normed = [&](int64_t i) { return (device::to_float(x[at + i]) - m) * r; };
        const auto count = static_cast<float>(columns);
        const float along =
            group.template sum<float>(columns, [&](int64_t i) { return weighted(i) * normed(i); }) / count;
        const float average = group.template sum<float>(columns, weighted) / count;
        group.each(columns, [&](int64_t i) {
          float d = fmaf(-normed(i), along, weighted(i) - average) * r;
          if (residual) d += device::to_float(residual[at + i]);
          device::store(dx + at + i, d);
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
