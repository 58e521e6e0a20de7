#pragma once

#include "executor/ops/column_sum_device.h"

namespace tidemark::ops {

template <typename T, typename Device>
void batch_norm_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const int64_t rows = args.op.in(0).shape[0], columns = args.op.in(0).shape[1];
  const auto epsilon = static_cast<float>(args.op.attributes().number("epsilon"));
  const T* const x = args.in<T>(0);
  const T* const weight = args.in<T>(1);
  const T* const bias = args.in<T>(2);
  T* const y = args.out<T>(0);
  float* const mean = args.out<float>(1);
  float* const rstd = args.out<float>(2);
  device.launch((columns + kStripColumns - 1) / kStripColumns, kStripLanes,
                4 * (kStripLanes + 2 * kStripColumns), TIDEMARK_BODY(Group & group, int64_t strip) {
                  float* const parts = group.template shared<float>();
                  float* const average = parts + kStripLanes;
                  float* const squares = average + kStripColumns;
                  const int64_t first = strip * kStripColumns;
                  const int64_t width = device::smaller<int64_t>(kStripColumns, columns - first);
                  const auto value = [&](int64_t row, int64_t i) {
                    return device::to_float(x[row * columns + first + i]);
                  };
                  const float share = 1.0f / static_cast<float>(rows);
                  sum_strip(group, rows, width, value, parts, average);
                  const auto squared = [&](int64_t row, int64_t i) {
                    const float v = value(row, i) - average[i] * share;
                    return v * v;
                  };
                  sum_strip(group, rows, width, squared, parts, squares);
                  group.each(width, [&](int64_t i) {
                    mean[first + i] = average[i] * share;
                    rstd[first + i] = 1 / sqrtf(fmaf(squares[i], share, epsilon));
                  });
                  group.each(rows * width, [&](int64_t at) {
                    const int64_t row = at / width, i = at % width, column = first + i;
                    const float normed = (value(row, i) - mean[column]) * rstd[column];
                    device::store(y + row * columns + column, fmaf(normed, device::to_float(weight[column]),
                                                                   device::to_float(bias[column])));
                  });
                });
}

// With n = (x - mean) rstd: dx = weight rstd (dy - mean(dy) - n mean(dy n)).
template <typename T, typename Device>
void batch_norm_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const int64_t rows = args.op.in(1).shape[0], columns = args.op.in(1).shape[1];
  const T* const dy = args.in<T>(0);
  const T* const x = args.in<T>(1);
  const T* const weight = args.in<T>(2);
  const float* const mean = args.in<float>(3);
  const float* const rstd = args.in<float>(4);
  T* const dx = args.out<T>(0);
  T* const dweight = args.out<T>(1);
  T* const dbias = args.out<T>(2);
  device.launch(
      (columns + kStripColumns - 1) / kStripColumns, kStripLanes, 4 * (kStripLanes + 2 * kStripColumns),
      TIDEMARK_BODY(Group & group, int64_t strip) {
        float* const parts = group.template shared<float>();
        float* const of_weight = parts + kStripLanes;
        float* const of_bias = of_weight + kStripColumns;
        const int64_t first = strip * kStripColumns;
        const int64_t width = device::smaller<int64_t>(kStripColumns, columns - first);
        const auto gradient = [&](int64_t row, int64_t i) {
          return device::to_float(dy[row * columns + first + i]);
        };
        const auto normed = [&](int64_t row, int64_t i) {
          return (device::to_float(x[row * columns + first + i]) - mean[first + i]) * rstd[first + i];
        };
        sum_strip(group, rows, width, gradient, parts, of_bias);
        sum_strip(
            group, rows, width, [&](int64_t row, int64_t i) { return gradient(row, i) * normed(row, i); },
            parts, of_weight);
        const float share = 1.0f / static_cast<float>(rows);
        group.each(rows * width, [&](int64_t at) {
          const int64_t row = at / width, i = at % width, column = first + i;
          const float inner =
              fmaf(-normed(row, i), of_weight[i] * share, fmaf(-of_bias[i], share, gradient(row, i)));
          device::store(dx + row * columns + column, device::to_float(weight[column]) * rstd[column] * inner);
        });
        group.each(width, [&](int64_t i) {
          device::store(dweight + first + i, of_weight[i]);
          device::store(dbias + first + i, of_bias[i]);
        });
      });
}

template <typename Device>
void batch_norm_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), batch_norm_typed, args, device);
}
template <typename Device>
void batch_norm_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), batch_norm_grad_typed, args, device);
}

}  // namespace tidemark::ops
