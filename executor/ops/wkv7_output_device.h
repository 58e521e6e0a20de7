// What RWKV-7 makes of its recurrence's normed result, on a device: a block has a head of a row, or of a
// strip of rows on the way back.
#pragma once

#include "executor/ops/column_sum_device.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

template <typename T>
struct DeviceWkv7Output {
  int64_t rows = 0, heads = 0, columns = 0;
  const T* y = nullptr;
  const T* r = nullptr;
  const T* k = nullptr;
  const T* v = nullptr;
  const T* a = nullptr;
  const T* g = nullptr;
  const T* k_a = nullptr;
  const T* r_k = nullptr;

  TIDEMARK_HOST_DEVICE float rate(int64_t at) const { return device::sigmoid(device::to_float(a[at])); }
  /// What the key is multiplied with; `column`: among those of all heads.
  TIDEMARK_HOST_DEVICE float factor(int64_t at, int64_t column) const {
    return fmaf(rate(at) - 1.0f, device::to_float(k_a[column]), 1.0f);
  }
  /// r_k times r and the key: the bonus is their sum.
  TIDEMARK_HOST_DEVICE float bonus(int64_t at, int64_t column) const {
    return device::to_float(k[at]) * factor(at, column) * device::to_float(r[at]) *
           device::to_float(r_k[column]);
  }
};

/// y, r, k, v, a, g, k_a and r_k are inputs `first` and the following.
template <typename T>
DeviceWkv7Output<T> device_wkv7_output(const KernelArgs& args, int first) {
  DeviceWkv7Output<T> o;
  o.rows = args.op.in(first).shape[0];
  o.heads = args.op.attributes().integer("heads");
  o.columns = args.op.in(first).shape[1] / o.heads;
  const T** const operands[] = {&o.y, &o.r, &o.k, &o.v, &o.a, &o.g, &o.k_a, &o.r_k};
  for (const T** operand : operands) *operand = args.in<T>(first++);
  return o;
}

template <typename T, typename Device>
void wkv7_output_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceWkv7Output<T> o = device_wkv7_output<T>(args, 0);
  T* const out = args.out<T>(0);
  device.launch(
      o.rows * o.heads, lanes_for(o.columns), 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t at = index * o.columns, column = index % o.heads * o.columns;
        const float bonus =
            group.template sum<float>(o.columns, [&](int64_t i) { return o.bonus(at + i, column + i); });
        group.each(o.columns, [&](int64_t i) {
          const float y = fmaf(bonus, device::to_float(o.v[at + i]), device::to_float(o.y[at + i]));
          device::store(out + at + i, y * device::to_float(o.g[at + i]));
        });
      });
}

template <typename T, typename Device>
void wkv7_output_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceWkv7Output<T> o = device_wkv7_output<T>(args, 1);
  const T* const dout = args.in<T>(0);
  T* const dy = args.out<T>(0);
  T* const dr = args.out<T>(1);
  T* const dk = args.out<T>(2);
  T* const dv = args.out<T>(3);
  T* const da = args.out<T>(4);
  T* const dg = args.out<T>(5);
  const int64_t n = o.columns, width = o.heads * n, strips = cuda::row_parts(o.rows);
  auto* const of_k_a = static_cast<float*>(args.workspace);  // [strips, heads * columns], as the next
  float* const of_r_k = of_k_a + strips * width;
  device.launch(
      strips * o.heads, lanes_for(n), 4 * 2 * n, TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t strip = index / o.heads, column = index % o.heads * n;
        const int64_t end = device::smaller(o.rows, (strip + 1) * cuda::kPartRows);
        float* const sums = group.template shared<float>();
        group.each(2 * n, [&](int64_t i) { sums[i] = 0; });
        for (int64_t row = strip * cuda::kPartRows; row < end; ++row) {
          const int64_t at = row * width + column;
          const float bonus =
              group.template sum<float>(n, [&](int64_t i) { return o.bonus(at + i, column + i); });
          const float dbonus = group.template sum<float>(n, [&](int64_t i) {
            return device::to_float(dout[at + i]) * device::to_float(o.g[at + i]) *
                   device::to_float(o.v[at + i]);
          });
          group.each(n, [&](int64_t i) {
            const float d = device::to_float(dout[at + i]), y = device::to_float(o.y[at + i]);
            const float v = device::to_float(o.v[at + i]), r = device::to_float(o.r[at + i]);
            const float k = device::to_float(o.k[at + i]), rate = o.rate(at + i), closed = 1.0f - rate;
            const float weight = device::to_float(o.r_k[column + i]), factor = o.factor(at + i, column + i);
            const float dvalue = d * device::to_float(o.g[at + i]), dkey = dbonus * r * weight;
            const float drate = dkey * k * device::to_float(o.k_a[column + i]);
            sums[i] = fmaf(dkey * k, -closed, sums[i]);
            sums[n + i] = fmaf(dbonus * r, k * factor, sums[n + i]);
            device::store(dy + at + i, dvalue);
            device::store(dr + at + i, dbonus * weight * k * factor);
            device::store(dk + at + i, dkey * factor);
            device::store(dv + at + i, dvalue * bonus);
            device::store(da + at + i, drate * rate * closed);
            device::store(dg + at + i, d * fmaf(bonus, v, y));
          });
        }
        group.each(n, [&](int64_t i) {
          of_k_a[strip * width + column + i] = sums[i];
          of_r_k[strip * width + column + i] = sums[n + i];
        });
      });
  sum_columns<float, T>(device, of_k_a, strips, width, width, nullptr, args.out<T>(6));
  sum_columns<float, T>(device, of_r_k, strips, width, width, nullptr, args.out<T>(7));
}

template <typename Device>
void wkv7_output_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), wkv7_output_typed, args, device);
}
template <typename Device>
void wkv7_output_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), wkv7_output_grad_typed, args, device);
}

}  // namespace tidemark::ops
