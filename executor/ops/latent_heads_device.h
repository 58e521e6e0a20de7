#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

/// Columns of a head: its own keys, those that the heads share, values.
struct LatentHeads {
  int64_t rows, heads, keys, shared, values;

  /// Spans of n fit all of them.
  bool fit(int n) const { return keys % n == 0 && shared % n == 0 && values % n == 0; }
};

/// `shared` is the type that has these columns.
inline LatentHeads latent_heads_of(const KernelArgs& args, const TensorType& shared) {
  const Attributes& a = args.op.attributes();
  return {shared.shape[0], a.integer("heads"), a.integer("key_columns"), shared.shape[1],
          a.integer("value_columns")};
}

template <int n, typename T, typename Device>
void place_heads(const LatentHeads& s, Device& device, const T* kv, const T* shared, T* k, T* v) {
  const int64_t across = (s.keys + s.shared + s.values) / n, width = s.keys + s.shared;
  device.each(
      s.rows * s.heads * across, TIDEMARK_BODY(int64_t i) {
        const device::Division of = device::split(i, across);
        const int64_t head = of.quotient;
        const device::Span<n> at{of.rest * n};
        const T* const from = kv + head * (s.keys + s.values);
        T* const to = k + head * width;
        if (at.first < s.keys)
          at.copy(from, to);
        else if (at.first < width)
          at.copy(shared + device::split(head, s.heads).quotient * s.shared - s.keys, to);
        else
          at.copy(from - s.shared, v + head * s.values - width);
      });
}

template <typename T, typename Device>
void latent_heads_typed(const KernelArgs& args, Device& device) {
  const LatentHeads s = latent_heads_of(args, args.op.in(1));
  constexpr int kWide = device::kWide<T>;
  s.fit(kWide) ? place_heads<kWide>(s, device, args.in<T>(0), args.in<T>(1), args.out<T>(0), args.out<T>(1))
               : place_heads<1>(s, device, args.in<T>(0), args.in<T>(1), args.out<T>(0), args.out<T>(1));
}

template <int n, typename T, typename Device>
void take_heads(const LatentHeads& s, Device& device, const T* dk, const T* dv, T* dkv, T* dshared) {
  const int64_t own = s.keys + s.values, width = s.keys + s.shared;
  device.each(
      s.rows * s.heads * (own / n), TIDEMARK_BODY(int64_t i) {
        const device::Division of = device::split(i, own / n);
        const int64_t head = of.quotient;
        const device::Span<n> at{of.rest * n};
        at.copy(at.first < s.keys ? dk + head * width : dv + head * s.values - s.keys, dkv + head * own);
      });
  device.each(
      s.rows * (s.shared / n), TIDEMARK_BODY(int64_t i) {
        const device::Division of = device::split(i, s.shared / n);
        const device::Span<n> at{of.rest * n};
        const T* const of_row = dk + of.quotient * s.heads * width + s.keys;
        auto total = at.all([](int) { return 0.0f; });
        for (int64_t head = 0; head < s.heads; ++head) {
          const auto more = at.load(of_row + head * width);
          total = at.all([&](int j) { return total[j] + more[j]; });
        }
        at.store(dshared + of.quotient * s.shared, [&](int j) { return total[j]; });
      });
}

template <typename T, typename Device>
void latent_heads_grad_typed(const KernelArgs& args, Device& device) {
  const LatentHeads s = latent_heads_of(args, args.op.out(1));
  constexpr int kWide = device::kWide<T>;
  s.fit(kWide) ? take_heads<kWide>(s, device, args.in<T>(0), args.in<T>(1), args.out<T>(0), args.out<T>(1))
               : take_heads<1>(s, device, args.in<T>(0), args.in<T>(1), args.out<T>(0), args.out<T>(1));
}

template <typename Device>
void latent_heads_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), latent_heads_typed, args, device);
}
template <typename Device>
void latent_heads_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), latent_heads_grad_typed, args, device);
}

}  // namespace tidemark::ops
