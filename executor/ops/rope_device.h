#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

/// Frequencies that travel as a kernel's parameter: there is no copy to wait for, and none in the arena.
struct RopeFrequencies {
  static constexpr int64_t kMost = 256;
  double of[kMost];
};

// In double: at position 100,000 an angle in float is off by 0.004.
template <typename Device>
void rope_table_device(const KernelArgs& args, Device& device) {
  const std::vector<double>& frequencies = args.op.attributes().numbers("frequencies");
  const double scale = args.op.attributes().number("scale");
  const auto pairs = static_cast<int64_t>(frequencies.size());
  const int64_t rows = args.op.in(0).shape[0];
  const int32_t* const positions = args.in<int32_t>(0);
  float* const table = args.out<float>(0);
  for (int64_t begin = 0; begin < pairs; begin += RopeFrequencies::kMost) {
    const int64_t n = std::min(RopeFrequencies::kMost, pairs - begin);
    RopeFrequencies some{};
    std::copy_n(frequencies.begin() + begin, n, some.of);
    device.each(
        rows * n, TIDEMARK_BODY(int64_t i) {
          const int64_t row = i / n, pair = i % n;
          const double angle = positions[row] * some.of[pair];
          table[row * 2 * pairs + begin + pair] = static_cast<float>(scale * cos(angle));
          table[row * 2 * pairs + pairs + begin + pair] = static_cast<float>(scale * sin(angle));
        });
  }
}

struct RopeShape {
  int64_t rows, heads, dim, pairs, first;
  float direction;
};

// Of a row and two neighbouring heads, whose angles are the same, a lane turns n neighbouring pairs or copies
// as many columns besides them.
template <int n, bool kInterleaved, typename T, typename Device>
void turn_pairs(const RopeShape& s, Device& device, const T* x, const float* table, T* y) {
  constexpr int kHeads = 2;
  // Columns that a lane reads at once: where neighbours are pairs, all of them.
  constexpr int kColumns = kInterleaved && n > 1 ? 2 * n : n;
  const int64_t turned = s.pairs / n, items = turned + (s.dim - 2 * s.pairs) / kColumns;
  const int64_t lanes_down = (s.heads + kHeads - 1) / kHeads;
  device.each(
      s.rows * lanes_down * items, TIDEMARK_BODY(int64_t index) {
        const device::Division of = device::split(index, items),
                               down = device::split(of.quotient, lanes_down);
        const int64_t row = down.quotient, first_head = kHeads * down.rest;
        const int64_t begin = (row * s.heads + first_head) * s.dim;
        const auto heads = static_cast<int>(device::smaller<int64_t>(kHeads, s.heads - first_head));
        if (of.rest >= turned) {
          const int64_t other = (of.rest - turned) * kColumns;
          const int64_t i = begin + other + (other < s.first ? 0 : 2 * s.pairs);
          for (int head = 0; head < heads; ++head) device::Span<kColumns>{i + head * s.dim}.copy(x, y);
          return;
        }
        const int64_t pair = of.rest * n;
        const device::Span<n> angle{row * 2 * s.pairs + pair};
        const auto c = angle.load(table), sine = angle.load(table + s.pairs);
        const int64_t i = begin + s.first + (kInterleaved ? 2 * pair : pair);
        const int64_t apart = kInterleaved ? 1 : s.pairs;
        device::Floats<n> a[kHeads], b[kHeads];
        TIDEMARK_UNROLL
        for (int head = 0; head < kHeads; ++head) {
          if (head >= heads) continue;
          const device::Span<kColumns> at{i + head * s.dim};
          if constexpr (kInterleaved && n > 1) {
            const auto both = at.load(x);
            a[head] = angle.all([&](int j) { return both[2 * j]; });
            b[head] = angle.all([&](int j) { return both[2 * j + 1]; });
          } else {
            a[head] = at.load(x);
            b[head] = at.load(x + apart);
          }
        }
        TIDEMARK_UNROLL
        for (int head = 0; head < kHeads; ++head) {
          if (head >= heads) continue;
          const device::Span<kColumns> at{i + head * s.dim};
          const auto first = [&](int j) {
            return fmaf(-b[head][j], s.direction * sine[j], a[head][j] * c[j]);
          };
          const auto second = [&](int j) {
            return fmaf(a[head][j], s.direction * sine[j], b[head][j] * c[j]);
          };
          if constexpr (kInterleaved && n > 1) {
            at.store(y, [&](int j) { return j % 2 == 0 ? first(j / 2) : second(j / 2); });
          } else {
            at.store(y, first);
            at.store(y + apart, second);
          }
        }
      });
}

template <bool kInterleaved, typename T, typename Device>
void turn_heads(const RopeShape& s, Device& device, const T* x, const float* table, T* y) {
  constexpr int kColumns = device::kWide<T>, n = kInterleaved ? kColumns / 2 : kColumns;
  s.pairs % n == 0 && s.first % kColumns == 0 && device::are_aligned<kColumns>(s.dim, x, y)
      ? turn_pairs<n, kInterleaved>(s, device, x, table, y)
      : turn_pairs<1, kInterleaved>(s, device, x, table, y);
}

template <typename T, typename Device>
void rope_typed(const KernelArgs& args, Device& device) {
  const Attributes& attributes = args.op.attributes();
  const TensorType& type = args.op.in(0);
  const int64_t heads = attributes.integer("heads");
  const RopeShape shape{type.shape[0],
                        heads,
                        type.shape[1] / heads,
                        args.op.in(1).shape[1] / 2,
                        attributes.has("first_column") ? attributes.integer("first_column") : 0,
                        attributes.flag("inverse") ? -1.0f : 1.0f};
  const bool interleaved = attributes.has("interleaved") && attributes.flag("interleaved");
  interleaved ? turn_heads<true>(shape, device, args.in<T>(0), args.in<float>(1), args.out<T>(0))
              : turn_heads<false>(shape, device, args.in<T>(0), args.in<float>(1), args.out<T>(0));
}

template <typename Device>
void rope_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), rope_typed, args, device);
}

}  // namespace tidemark::ops
