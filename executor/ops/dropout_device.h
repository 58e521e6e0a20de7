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
  device.each((elements + 3) / 4, TIDEMARK_BODY(int64_t counter) {
    const PhiloxWords words = philox4x32(seed[0], seed[1], static_cast<uint64_t>(counter), site);
    const bool off = seed[2] != 0;
    for (int64_t j = 0; j < 4 && 4 * counter + j < elements; ++j) {
      const int64_t i = 4 * counter + j;
      const float value = device::to_float(x[i]);
      device::store(y + i, off ? value : words.of[j] >= threshold ? value * scale : 0.0f);
    }
  });
}

template <typename Device>
void dropout_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), dropout_typed, args, device);
}

}  // namespace tidemark::ops
