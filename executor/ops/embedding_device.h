#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

inline float embedding_scale(const KernelArgs& args) {
  const Attributes& a = args.op.attributes();
  return a.has("scale") ? static_cast<float>(a.number("scale")) : 1.0f;
}

template <typename T, typename Device>
void embedding_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const int32_t* const ids = args.in<int32_t>(0);
  const T* const weight = args.in<T>(1);
  T* const y = args.out<T>(0);
  const int64_t columns = args.op.in(1).shape[1];
  const float scale = embedding_scale(args);
  device.launch(
      args.op.in(0).shape[0], kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const T* const from = weight + ids[row] * columns;
        group.each(columns, [&](int64_t i) {
          device::store(y + row * columns + i, scale * device::to_float(from[i]));
        });
      });
}

// Each row of the gradient has one writer, the first token of its id, who adds in the order of the tokens and
// rounds once: the tokens of an id form a chain.
template <typename T, typename Device>
void embedding_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const int32_t* const ids = args.in<int32_t>(0);
  const T* const dy = args.in<T>(1);
  T* const dweight = args.out<T>(0);
  const int64_t tokens = args.op.in(0).shape[0], columns = args.op.out(0).shape[1];
  const float scale = embedding_scale(args);
  auto* const next = static_cast<int32_t*>(args.workspace);  // of each token: the next of its id, or none
  auto* const is_first = next + tokens;
  if (!args.op.has_in(2)) device.zero(dweight, args.op.out(0).bytes());

  device.launch(
      tokens, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const int32_t id = ids[row];
        const auto earlier = group.template sum<int>(row, [&](int64_t i) { return ids[i] == id ? 1 : 0; });
        // The nearest is the largest distance from the end.
        const auto nearest = group.template max<int64_t>(tokens - row - 1, 0, [&](int64_t i) {
          return ids[row + 1 + i] == id ? tokens - row - 1 - i : 0;
        });
        group.each(1, [&](int64_t) {
          next[row] = nearest == 0 ? -1 : static_cast<int32_t>(tokens - nearest);
          is_first[row] = earlier == 0;
        });
      });
  device.launch(
      tokens, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t row) {
        if (!is_first[row]) return;
        T* const to = dweight + ids[row] * columns;
        group.each(columns, [&](int64_t i) {
          float total = device::to_float(to[i]);
          for (int64_t token = row; token >= 0; token = next[token])
            total = fmaf(scale, device::to_float(dy[token * columns + i]), total);
          device::store(to + i, total);
        });
      });
}

template <typename Device>
void embedding_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), embedding_typed, args, device);
}
template <typename Device>
void embedding_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), embedding_grad_typed, args, device);
}

/// Angles in double, as on the CPU.
template <typename T, typename Device>
void sinusoidal_positions_typed(const KernelArgs& args, Device& device) {
  const T* const x = args.in<T>(0);
  const int32_t* const positions = args.in<int32_t>(1);
  T* const y = args.out<T>(0);
  const int64_t columns = args.op.in(0).shape[1];
  const double base = args.op.attributes().number("base");
  device.each(
      args.op.in(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const int64_t column = i % columns, pair = column - column % 2;
        const double angle =
            positions[i / columns] * pow(base, -static_cast<double>(pair) / static_cast<double>(columns));
        device::store(y + i,
                      device::to_float(x[i]) + static_cast<float>(column % 2 == 0 ? sin(angle) : cos(angle)));
      });
}

template <typename Device>
void sinusoidal_positions_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), sinusoidal_positions_typed, args, device);
}

}  // namespace tidemark::ops
