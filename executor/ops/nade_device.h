// NADE's scan over the pixels (Larochelle & Murray 2011) on a device: a block has a row, or of the gradient a
// hidden unit, since units depend on each other only through the logits.
#pragma once

#include "executor/device/shared_memory.h"
#include "executor/ops/pointwise_device.h"
#include "graph/cuda_scan_workspace.h"

namespace tidemark::ops {

template <typename T>
struct DeviceNade {
  int64_t rows = 0, pixels = 0, hidden = 0;
  Activation function = Activation::sigmoid;
  const T* x = nullptr;
  const int32_t* order = nullptr;
  const T* weight = nullptr;  ///< [hidden, pixels]
  const T* hidden_bias = nullptr;
  const T* output_weight = nullptr;  ///< [pixels, hidden]; null: the transposed weight
};

/// x, order, weight and hidden_bias are inputs `first` and the following.
template <typename T>
DeviceNade<T> device_nade(const KernelArgs& args, int first) {
  DeviceNade<T> n;
  n.rows = args.op.in(first).shape[0];
  n.pixels = args.op.in(first).shape[1];
  n.hidden = args.op.in(first + 2).shape[0];
  n.function = activation_from(args.op.attributes().text("function"));
  n.x = args.in<T>(first);
  n.order = args.in<int32_t>(first + 1);
  n.weight = args.in<T>(first + 2);
  n.hidden_bias = args.in<T>(first + 3);
  n.output_weight = args.op.has_in(5) ? args.in<T>(5) : nullptr;
  return n;
}

/// to[k, r] = m[r, order[k]] of m[rows, pixels].
template <typename T, typename Device>
void transpose_in_order(Device& device, const T* m, int64_t rows, int64_t pixels, const int32_t* order,
                        float* to) {
  device.each(
      rows * pixels,
      TIDEMARK_BODY(int64_t i) { to[i] = device::to_float(m[i % rows * pixels + order[i / rows]]); });
}

// Activations change only where a pixel is not zero, and most are. `weight`: [pixels, hidden], in the pixels'
// order.
template <typename T, typename Device, typename Scratch>
void nade_rows(Device& device, const DeviceNade<T>& n, const float* weight, const T* output_bias, T* logits,
               const Scratch& scratch) {
  using Group = typename Device::Group;
  device.launch(
      n.rows, lanes_for(n.hidden), scratch.shared_bytes(), TIDEMARK_BODY(Group & group, int64_t row) {
        float* const sums = scratch.template of<float>(group, row);
        float* const active = sums + n.hidden;
        group.each(n.hidden, [&](int64_t i) {
          sums[i] = device::to_float(n.hidden_bias[i]);
          active[i] = activated(n.function, sums[i]);
        });
        for (int64_t k = 0; k < n.pixels; ++k) {
          const int64_t pixel = n.order[k], at = row * n.pixels + pixel;
          const float* const w = weight + k * n.hidden;
          const float dot = group.template sum<float>(n.hidden, [&](int64_t i) {
            return active[i] *
                   (n.output_weight ? device::to_float(n.output_weight[pixel * n.hidden + i]) : w[i]);
          });
          const float x = device::to_float(n.x[at]);
          group.each(x == 0 ? 1 : n.hidden, [&](int64_t i) {
            if (i == 0) device::store(logits + at, device::to_float(output_bias[pixel]) + dot);
            if (x == 0) return;
            sums[i] = fmaf(x, w[i], sums[i]);
            active[i] = activated(n.function, sums[i]);
          });
        }
      });
}

template <typename T, typename Device>
void nade_typed(const KernelArgs& args, Device& device) {
  const DeviceNade<T> n = device_nade<T>(args, 0);
  auto* const weight = static_cast<float*>(args.workspace);
  const int64_t weights = n.pixels * n.hidden;
  transpose_in_order(device, n.weight, n.hidden, n.pixels, n.order, weight);
  device::with_scratch(device, cuda::nade_row_bytes(n.hidden), weight + weights, [&](auto scratch) {
    nade_rows(device, n, weight, args.in<T>(4), args.out<T>(0), scratch);
  });
}

// The pixels in reverse: a is taken back by subtraction.
template <typename T, typename Device>
void nade_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceNade<T> n = device_nade<T>(args, 1);
  T* const dweight = args.out<T>(0);
  T* const dhidden_bias = args.out<T>(1);
  T* const doutput_weight = args.op.has_out(2) ? args.out<T>(2) : nullptr;
  const bool adds = args.op.has_in(6), adds_bias = args.op.has_in(7), adds_output = args.op.has_in(8);
  auto* const x = static_cast<float*>(args.workspace);  // [pixels, rows], in the pixels' order, as the next
  float* const dlogits = x + n.pixels * n.rows;
  float* const units = dlogits + n.pixels * n.rows;  // of each: a, f(a) and the gradient of a, [3, rows]
  transpose_in_order(device, n.x, n.rows, n.pixels, n.order, x);
  transpose_in_order(device, args.in<T>(0), n.rows, n.pixels, n.order, dlogits);
  device.launch(
      n.hidden, lanes_for(n.rows), 0, TIDEMARK_BODY(Group & group, int64_t unit) {
        float* const sums = units + unit * 3 * n.rows;
        float* const active = sums + n.rows;
        float* const dsums = active + n.rows;
        const T* const weight = n.weight + unit * n.pixels;
        const auto add = [](T* to, bool to_what_is_there, float value) {
          device::store(to, to_what_is_there ? device::to_float(*to) + value : value);
        };
        group.each(n.rows, [&](int64_t row) {
          float sum = device::to_float(n.hidden_bias[unit]);
          for (int64_t k = 0; k < n.pixels; ++k)
            sum = fmaf(x[k * n.rows + row], device::to_float(weight[n.order[k]]), sum);
          sums[row] = sum;
          active[row] = activated(n.function, sum);
          dsums[row] = 0;
        });
        for (int64_t k = n.pixels; k-- > 0;) {
          const int64_t pixel = n.order[k];
          const float w = device::to_float(weight[pixel]);
          // Each row of a sum is its lane's own.
          const float dw = group.template sum<float>(n.rows, [&](int64_t row) {
            const float value = x[k * n.rows + row];
            if (value == 0) return 0.0f;
            sums[row] = fmaf(-value, w, sums[row]);
            active[row] = activated(n.function, sums[row]);
            return value * dsums[row];
          });
          const float out = n.output_weight ? device::to_float(n.output_weight[pixel * n.hidden + unit]) : w;
          const float dout = group.template sum<float>(n.rows, [&](int64_t row) {
            const float dy = dlogits[k * n.rows + row], y = active[row];
            dsums[row] = fmaf(dy * out, activation_slope(n.function, y), dsums[row]);
            return dy * y;
          });
          group.each(1, [&](int64_t) {
            add(dweight + unit * n.pixels + pixel, adds, n.output_weight ? dw : dw + dout);
            if (n.output_weight) add(doutput_weight + pixel * n.hidden + unit, adds_output, dout);
          });
        }
        const float total = group.template sum<float>(n.rows, [&](int64_t row) { return dsums[row]; });
        group.each(1, [&](int64_t) { add(dhidden_bias + unit, adds_bias, total); });
      });
}

template <typename Device>
void nade_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), nade_typed, args, device);
}
template <typename Device>
void nade_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), nade_grad_typed, args, device);
}

}  // namespace tidemark::ops
