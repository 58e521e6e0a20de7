#pragma once

#include <cmath>

#include "executor/ops/device_operands.h"
#include "executor/ops/philox_device.h"

namespace tidemark::ops {

template <typename T, typename Device>
void dropout_typed(const KernelArgs& args, Device& device) {
  const double probability = args.op.attributes().number("probability");
  const auto threshold = static_cast<uint32_t>(std::min(std::floor(probability * 0x1p32), 0x1p32 - 1));
  const auto scale = static_cast<float>(1 / (1 - probability));
  const auto site = static_cast<uint64_t>(args.op.attributes().integer("site"));
  const int64_t elements = args.op.out(0).shape.elements();
  const auto* const seed = args.in<uint32_t>(1);
  const T* const x = args.in<T>(0);
  T* const y = args.out<T>(0);
  // Of a counter's four words each element has one.
  device::each_span<4>(
      device, elements, true, TIDEMARK_BODY(auto at) {
        const PhiloxWords words = philox4x32(seed[0], seed[1], static_cast<uint64_t>(at.first / 4), site);
        const bool off = seed[2] != 0;
        const auto begin = static_cast<int>(at.first % 4);
        const auto v = at.load(x);
        at.store(y, [&](int j) {
          const int i = begin + j;
          const uint32_t word = i == 0   ? words.of[0]
                                : i == 1 ? words.of[1]
                                : i == 2 ? words.of[2]
                                         : words.of[3];
          return off ? v[j] : word >= threshold ? v[j] * scale : 0.0f;
        });
      });
}

template <typename Device>
void dropout_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), dropout_typed, args, device);
}

}  // namespace tidemark::ops
