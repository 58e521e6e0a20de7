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
  device.launch(
      norm.rows * groups, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t at = index * columns, first = index % groups * columns;
        const auto squares = group.template sum<float>(columns, [&](int64_t i) {
          const float v = device::to_float(x[at + i]);
          return v * v;
        });
        const float rstd = 1 / sqrtf(squares / static_cast<float>(columns) + epsilon);
        group.each(columns, [&](int64_t i) {
          const float w = weight ? device::to_float(weight[first + i]) : 1.0f;
          device::store(y + at + i, device::to_float(x[at + i]) * rstd * w);
          if (i == 0) rstd_out[index] = rstd;
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

  if (args.op.has_out(1)) {
    const auto of_weight = TIDEMARK_BODY(int64_t row, int64_t i) {
      return device::to_float(dy[row * width + i]) * device::to_float(x[row * width + i]) *
             rstd[row * groups + i / columns];
    };
    sum_columns_of(device, rows, width, of_weight, static_cast<float*>(args.workspace), args.out<T>(1));
  }

  device.launch(
      rows * groups, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t at = index * columns, first = index % groups * columns;
        const float r = rstd[index];
        const auto weighted = [&](int64_t i) {
          return device::to_float(dy[at + i]) * (weight ? device::to_float(weight[first + i]) : 1.0f);
        };
        const auto dot = group.template sum<float>(
            columns, [&](int64_t i) { return weighted(i) * (device::to_float(x[at + i]) * r); });
        const float mean = dot / static_cast<float>(columns);
        group.each(columns, [&](int64_t i) {
          float d = (weighted(i) - device::to_float(x[at + i]) * r * mean) * r;
          if (residual) d += device::to_float(residual[at + i]);
          device::store(dx + at + i, d);
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
