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
  constexpr int kWide = device::kWide<T>;
  const device::Spans<kWide> spans(columns, device::are_aligned<kWide>(columns, weight, y));
  device.launch(
      args.op.in(0).shape[0], lanes_for_spans(spans), 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const T* const from = weight + ids[row] * columns;
        device::each_span(group, spans, [&](auto at) {
          const auto v = at.load(from);
          at.store(y + row * columns, [&](int j) { return scale * v[j]; });
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
  constexpr int kIds = device::kWide<int32_t>;  // that a lane compares at once
  if (!args.op.has_in(2)) device.zero(dweight, args.op.out(0).bytes());

  device.launch(
      tokens, lanes_for_spans(device::Spans<kIds>(tokens, true)), 0,
      TIDEMARK_BODY(Group & group, int64_t row) {
        const int32_t id = ids[row];
        const device::Spans<kIds> above(row, true, 0);
        const auto earlier = group.template sum<int32_t>(above.size(), [&](int64_t i) {
          return above.visit(i, [&](auto at) {
            const auto others = at.piece(ids);
            int32_t same = 0;
            TIDEMARK_UNROLL
            for (int j = 0; j < at.kSize; ++j) same += others.words[j] == id ? 1 : 0;
            return same;
          });
        });
        // The nearest is the largest distance from the end.
        const int64_t begin = row + 1;
        const device::Spans<kIds> below(tokens - begin, true, (kIds - begin % kIds) % kIds);
        const auto nearest = group.template max<int32_t>(below.size(), 0, [&](int64_t i) {
          return below.visit(i, [&](auto at) {
            const auto others = at.piece(ids + begin);
            const auto distance = static_cast<int32_t>(tokens - begin - at.first);
            int32_t largest = 0;
            TIDEMARK_UNROLL
            for (int j = at.kSize - 1; j >= 0; --j)
              if (others.words[j] == id) largest = distance - j;
            return largest;
          });
        });
        group.each(1, [&](int64_t) {
          next[row] = nearest == 0 ? -1 : static_cast<int32_t>(tokens) - nearest;
          is_first[row] = earlier == 0;
        });
      });
  constexpr int kWide = device::kWide<T>;
  const device::Spans<kWide> spans(columns, device::are_aligned<kWide>(columns, dy, dweight));
  device.launch(
      tokens, lanes_for_spans(spans), 0, TIDEMARK_BODY(Group & group, int64_t row) {
        if (!is_first[row]) return;
        T* const to = dweight + ids[row] * columns;
        device::each_span(group, spans, [&](auto at) {
          auto total = at.load(to);
          for (int64_t token = row; token >= 0; token = next[token]) {
            const auto more = at.load(dy + token * columns);
            total = at.all([&](int j) { return fmaf(scale, more[j], total[j]); });
          }
          at.store(to, [&](int j) { return total[j]; });
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
