#pragma once

#include "executor/ops/column_sum_device.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

template <typename T>
struct DeviceShift {
  int64_t rows = 0, channels = 0, entries = 0;
  bool of_previous = false;
  const T* x = nullptr;
  const T* mix = nullptr;
  const int32_t* cu_seqlens = nullptr;

  /// Of the row before.
  TIDEMARK_HOST_DEVICE float previous_share(int64_t channel) const {
    const float m = device::to_float(mix[channel]);
    return of_previous ? m : 1.0f - m;
  }
  /// A sequence begins there; the end of all counts as one that begins.
  TIDEMARK_HOST_DEVICE bool begins(int64_t row) const {
    return row >= rows || cu_seqlens[device::sequence_at(cu_seqlens, entries, row)] == row;
  }
};

/// x, mix and cu_seqlens are inputs `first` and the following.
template <typename T>
DeviceShift<T> device_shift(const KernelArgs& args, int first) {
  DeviceShift<T> s;
  s.rows = args.op.in(first).shape[0];
  s.channels = args.op.in(first).shape[1];
  s.entries = args.op.in(first + 2).shape[0];
  s.of_previous = args.op.attributes().flag("of_previous");
  s.x = args.in<T>(first);
  s.mix = args.in<T>(first + 1);
  s.cu_seqlens = args.in<int32_t>(first + 2);
  return s;
}

template <typename T, typename Device>
void token_shift_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceShift<T> s = device_shift<T>(args, 0);
  T* const y = args.out<T>(0);
  device.launch(
      s.rows, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const bool begins = s.begins(row);
        group.each(s.channels, [&](int64_t i) {
          const int64_t at = row * s.channels + i;
          const float now = device::to_float(s.x[at]);
          const float before = begins ? 0.0f : device::to_float(s.x[at - s.channels]);
          device::store(y + at, fmaf(s.previous_share(i), before - now, now));
        });
      });
}

// A row's dx takes from its own dy and the next row's, over which dx may be
// stored: a block goes up its strip of rows, and what it needs of the next
// strip is put aside first.
template <typename T, typename Device>
void token_shift_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceShift<T> s = device_shift<T>(args, 1);
  const int64_t channels = s.channels, strips = cuda::row_parts(s.rows);
  const T* const dy = args.in<T>(0);
  const T* const acc = args.op.has_in(4) ? args.in<T>(4) : nullptr;
  T* const dx = args.out<T>(0);
  auto* const next_strip = static_cast<float*>(args.workspace);  // dy of the first row after each strip
  auto* const parts = next_strip + strips * channels;            // of the gradient of mix

  device.each(
      strips * channels, TIDEMARK_BODY(int64_t i) {
        const int64_t row = (i / channels + 1) * cuda::kPartRows;
        next_strip[i] = row < s.rows ? device::to_float(dy[row * channels + i % channels]) : 0.0f;
      });
  device.launch(
      strips, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t strip) {
        const int64_t begin = strip * cuda::kPartRows;
        const int64_t end = device::smaller(s.rows, begin + cuda::kPartRows);
        group.each(channels, [&](int64_t i) {
          const float share = s.previous_share(i);
          float slope = 0;
          for (int64_t row = begin; row < end; ++row) {
            const int64_t at = row * channels + i;
            const float d = device::to_float(dy[at]), now = device::to_float(s.x[at]);
            const float before = s.begins(row) ? 0.0f : device::to_float(s.x[at - channels]);
            float next = 0;
            if (!s.begins(row + 1))
              next = row + 1 < end ? device::to_float(dy[at + channels]) : next_strip[strip * channels + i];
            slope = fmaf(d, before - now, slope);
            const float mine = fmaf(share, next - d, d);
            device::store(dx + at, acc ? device::to_float(acc[at]) + mine : mine);
          }
          parts[strip * channels + i] = s.of_previous ? slope : -slope;
        });
      });
  sum_columns<float, T>(device, parts, strips, channels, channels, nullptr, args.out<T>(1));
}

template <typename Device>
void token_shift_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), token_shift_typed, args, device);
}
template <typename Device>
void token_shift_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), token_shift_grad_typed, args, device);
}

}  // namespace tidemark::ops
