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

template <typename T, typename Device>
void rope_typed(const KernelArgs& args, Device& device) {
  const Attributes& attributes = args.op.attributes();
  const TensorType& type = args.op.in(0);
  const int64_t heads = attributes.integer("heads"), dim = type.shape[1] / heads;
  const int64_t pairs = args.op.in(1).shape[1] / 2;
  const float direction = attributes.flag("inverse") ? -1.0f : 1.0f;
  const bool interleaved = attributes.has("interleaved") && attributes.flag("interleaved");
  const int64_t first = attributes.has("first_column") ? attributes.integer("first_column") : 0;
  const T* const x = args.in<T>(0);
  const float* const table = args.in<float>(1);
  T* const y = args.out<T>(0);
  // A lane per pair, and one for each column besides them.
  const int64_t items = pairs + (dim - 2 * pairs);
  device.each(
      type.shape[0] * heads * items, TIDEMARK_BODY(int64_t at) {
        const int64_t item = at % items, head = at / items, row = head / heads;
        if (item >= pairs) {
          const int64_t other = item - pairs, i = head * dim + other + (other < first ? 0 : 2 * pairs);
          y[i] = x[i];
          return;
        }
        const int64_t i = head * dim + first + (interleaved ? 2 * item : item),
                      j = i + (interleaved ? 1 : pairs);
        const float c = table[row * 2 * pairs + item], s = direction * table[row * 2 * pairs + pairs + item];
        const float a = device::to_float(x[i]), b = device::to_float(x[j]);
        device::store(y + i, fmaf(-b, s, a * c));
        device::store(y + j, fmaf(a, s, b * c));
      });
}

template <typename Device>
void rope_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), rope_typed, args, device);
}

}  // namespace tidemark::ops
