#pragma once

#include "executor/ops/column_sum_device.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

template <typename T>
struct DeviceShift {
  static constexpr int kWide = device::kWide<T>;

  int64_t rows = 0, channels = 0, entries = 0;
  bool of_previous = false;
  const T* x = nullptr;
  const T* mix = nullptr;
  const int32_t* cu_seqlens = nullptr;

  /// Of the row before.
  template <int n>
  TIDEMARK_DEVICE_INLINE device::Floats<n> previous_share(device::Span<n> at) const {
    const auto m = at.load(mix);
    return at.all([&](int j) { return of_previous ? m[j] : 1.0f - m[j]; });
  }
  template <typename... Others>
  bool aligned(const Others*... others) const {
    return device::are_aligned<kWide>(channels, x, mix, others...);
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
  const device::Spans<DeviceShift<T>::kWide> spans(s.channels, s.aligned(y));
  device.launch(
      s.rows, lanes_for_spans(spans), 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const T* const from = s.x + row * s.channels;
        const T* const from_before = s.begins(row) ? nullptr : from - s.channels;
        device::each_span(group, spans, [&](auto at) {
          const auto now = at.load(from), before = at.load_or(from_before, 0.0f),
                     share = s.previous_share(at);
          at.store(y + row * s.channels, [&](int j) { return fmaf(share[j], before[j] - now[j], now[j]); });
        });
      });
}

// A row's dx takes from its own dy and the next row's, over which dx may be
// stored: a block goes up its strip of rows, and what it needs of the next
// strip is put aside first.
template <typename T, typename Device>
void token_shift_grad_typed(const KernelArgs& args, Device& device) {
  const DeviceShift<T> s = device_shift<T>(args, 1);
  const int64_t channels = s.channels, strips = cuda::row_parts(s.rows);
  const T* const dy = args.in<T>(0);
  const T* const acc = args.op.has_in(4) ? args.in<T>(4) : nullptr;
  T* const dx = args.out<T>(0);
  auto* const next_strip = static_cast<float*>(args.workspace);  // dy of the first row after each strip
  auto* const parts = next_strip + strips * channels;            // of the gradient of mix

  const bool aligned = s.aligned(dy, acc, dx);
  each_part<DeviceShift<T>::kWide>(
      device, s.rows, channels, aligned, TIDEMARK_BODY(int64_t strip, int64_t, int64_t end, auto at) {
        const auto next = at.load_or(end < s.rows ? dy + end * channels : nullptr, 0.0f);
        at.store(next_strip + strip * channels, [&](int j) { return next[j]; });
      });
  each_part<DeviceShift<T>::kWide>(
      device, s.rows, channels, aligned, TIDEMARK_BODY(int64_t strip, int64_t begin, int64_t end, auto at) {
        const auto share = s.previous_share(at);
        const auto none = at.all([](int) { return 0.0f; });
        auto slope = none, d = at.load(dy + begin * channels);
        auto before = at.load_or(s.begins(begin) ? nullptr : s.x + (begin - 1) * channels, 0.0f);
        for (int64_t row = begin; row < end; ++row) {
          const int64_t from = row * channels;
          const auto now = at.load(s.x + from), more = at.load_or(acc ? acc + from : nullptr, 0.0f);
          const auto below =
              row + 1 < end ? at.load(dy + from + channels) : at.load(next_strip + strip * channels);
          const bool ends = s.begins(row + 1);
          const auto next = ends ? none : below;
          slope = at.all([&](int j) { return fmaf(d[j], before[j] - now[j], slope[j]); });
          at.store(dx + from, [&](int j) { return more[j] + fmaf(share[j], next[j] - d[j], d[j]); });
          before = ends ? none : now;
          d = below;
        }
        at.store(parts + strip * channels, [&](int j) { return s.of_previous ? slope[j] : -slope[j]; });
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
