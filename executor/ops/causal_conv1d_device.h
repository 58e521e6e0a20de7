#pragma once

#include "executor/ops/column_sum_device.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

template <typename T>
struct DeviceConv {
  int64_t rows = 0, channels = 0, width = 0, stride = 0, entries = 0;
  const T* x = nullptr;       ///< its first column
  const T* weight = nullptr;  ///< [channels, width], the last tap is the current row's
  const T* bias = nullptr;    ///< nullptr: zero
  const int32_t* cu_seqlens = nullptr;

  TIDEMARK_HOST_DEVICE float tap(int64_t channel, int64_t back) const {
    return device::to_float(weight[channel * width + width - 1 - back]);
  }
  /// Before the SiLU, where the row's sequence is that number `sequence`.
  TIDEMARK_HOST_DEVICE float convolved(int64_t row, int64_t sequence, int64_t channel) const {
    const int64_t taps = device::smaller(width, row - cu_seqlens[sequence] + 1);
    float y = bias ? device::to_float(bias[channel]) : 0.0f;
    for (int64_t k = 0; k < taps; ++k)
      y = fmaf(tap(channel, k), device::to_float(x[(row - k) * stride + channel]), y);
    return y;
  }
  /// The gradient before the SiLU.
  TIDEMARK_HOST_DEVICE float inner(const T* dy, int64_t row, int64_t sequence, int64_t channel) const {
    const float v = convolved(row, sequence, channel), s = device::sigmoid(v);
    return device::to_float(dy[row * channels + channel]) * s * fmaf(v, 1.0f - s, 1.0f);
  }
  TIDEMARK_HOST_DEVICE int64_t sequence_of(int64_t row) const {
    return device::sequence_at(cu_seqlens, entries, row);
  }
};

/// x, weight, bias and cu_seqlens are inputs `first` and the following.
template <typename T>
DeviceConv<T> device_conv(const KernelArgs& args, int first) {
  DeviceConv<T> c;
  c.rows = args.op.in(first).shape[0];
  c.stride = args.op.in(first).shape[1];
  c.channels = args.op.in(first + 1).shape[0];
  c.width = args.op.in(first + 1).shape[2];
  c.entries = args.op.in(first + 3).shape[0];
  c.x = args.in<T>(first) + args.op.attributes().integer("first_column");
  c.weight = args.in<T>(first + 1);
  c.bias = args.op.has_in(first + 2) ? args.in<T>(first + 2) : nullptr;
  c.cu_seqlens = args.in<int32_t>(first + 3);
  return c;
}

template <typename T, typename Device>
void causal_conv1d_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceConv<T> c = device_conv<T>(args, 0);
  T* const y = args.out<T>(0);
  device.launch(
      c.rows, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const int64_t sequence = c.sequence_of(row);
        group.each(c.channels, [&](int64_t channel) {
          const float v = c.convolved(row, sequence, channel);
          device::store(y + row * c.channels + channel, v * device::sigmoid(v));
        });
      });
}

// The convolution is made again for every gradient that needs it: width times, which costs less than memory
// would.
template <typename T, typename Device>
void causal_conv1d_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceConv<T> c = device_conv<T>(args, 1);
  const T* const dy = args.in<T>(0);
  if (!args.op.has_in(5)) device.zero(args.outputs[0], args.op.out(0).bytes());
  T* const dx = args.out<T>(0) + args.op.attributes().integer("first_column");
  device.launch(
      c.rows, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const int64_t sequence = c.sequence_of(row);
        const int64_t reach = device::smaller(c.width, c.cu_seqlens[sequence + 1] - row);
        group.each(c.channels, [&](int64_t channel) {
          T* const to = dx + row * c.stride + channel;
          float sum = device::to_float(*to);
          for (int64_t k = 0; k < reach; ++k)
            sum = fmaf(c.tap(channel, k), c.inner(dy, row + k, sequence, channel), sum);
          device::store(to, sum);
        });
      });

  // Of each strip of rows, the parts of the gradients of weight, then of bias.
  const int64_t strips = cuda::row_parts(c.rows), taps = c.channels * c.width;
  auto* const of_weight = static_cast<float*>(args.workspace);
  float* const of_bias = of_weight + strips * taps;
  device.launch(
      strips, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t strip) {
        const int64_t begin = strip * cuda::kPartRows;
        const int64_t end = device::smaller(c.rows, begin + cuda::kPartRows);
        group.each(taps + c.channels, [&](int64_t i) {
          const bool bias = i >= taps;
          const int64_t channel = bias ? i - taps : i / c.width, back = bias ? 0 : c.width - 1 - i % c.width;
          float sum = 0;
          for (int64_t row = begin; row < end; ++row) {
            const int64_t sequence = c.sequence_of(row);
            if (row - back < c.cu_seqlens[sequence]) continue;
            const float x = bias ? 1.0f : device::to_float(c.x[(row - back) * c.stride + channel]);
            sum = fmaf(c.inner(dy, row, sequence, channel), x, sum);
          }
          (bias ? of_bias[strip * c.channels + channel] : of_weight[strip * taps + i]) = sum;
        });
      });
  sum_columns<float, T>(device, of_weight, strips, taps, taps, nullptr, args.out<T>(1));
  if (c.bias) sum_columns<float, T>(device, of_bias, strips, c.channels, c.channels, nullptr, args.out<T>(2));
}

template <typename Device>
void causal_conv1d_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), causal_conv1d_typed, args, device);
}
template <typename Device>
void causal_conv1d_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), causal_conv1d_grad_typed, args, device);
}

}  // namespace tidemark::ops
