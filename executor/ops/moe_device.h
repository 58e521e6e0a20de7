#pragma once

#include "executor/ops/device_operands.h"
#include "executor/ops/moe_router.h"

namespace tidemark::ops {

/// A lane per token; what it chooses by lies beside its neighbours' numbers of the same expert.
template <typename Device>
void moe_route_device(const KernelArgs& args, Device& device) {
  const Router r = router_of(args, 0);
  const int64_t tokens = args.op.in(0).shape[0];
  const float* const logits = args.in<float>(0);
  const float* const bias = args.op.has_in(1) ? args.in<float>(1) : nullptr;
  float* const weights = args.out<float>(0);
  int32_t* const experts = args.out<int32_t>(1);
  auto* const choice = static_cast<float*>(args.workspace);
  device.each(
      tokens, TIDEMARK_BODY(int64_t t) {
        route(r, logits + t * r.experts, bias, choice + t, tokens, weights + t * r.top_k,
              experts + t * r.top_k);
      });
}

template <typename Device>
void moe_route_grad_device(const KernelArgs& args, Device& device) {
  const Router r = router_of(args, 1);
  const float* const dweights = args.in<float>(0);
  const float* const logits = args.in<float>(1);
  const int32_t* const experts = args.in<int32_t>(2);
  float* const dlogits = args.out<float>(0);
  device.each(
      args.op.in(1).shape[0], TIDEMARK_BODY(int64_t t) {
        route_grad(r, dweights + t * r.top_k, logits + t * r.experts, experts + t * r.top_k,
                   dlogits + t * r.experts);
      });
}

template <typename Device>
void moe_load_device(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const int64_t n = args.op.in(0).shape[0], n_experts = args.op.out(0).shape[0];
  const int32_t* const experts = args.in<int32_t>(0);
  float* const load = args.out<float>(0);
  device.launch(
      n_experts, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t expert) {
        const auto count =
            group.template sum<int32_t>(n, [&](int64_t i) { return experts[i] == expert ? 1 : 0; });
        group.each(1, [&](int64_t) {
          load[expert] = static_cast<float>(count) - static_cast<float>(n) / static_cast<float>(n_experts);
        });
      });
}

/// A block per expert, whose lanes each have a run of the slots: they count their own, and write them behind
/// those of the lanes before.
template <typename Device>
void moe_plan_device(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const int64_t n = args.op.in(0).shape[0];
  const int32_t* const experts = args.in<int32_t>(0);
  int32_t* const slots = args.out<int32_t>(0);
  int32_t* const offsets = args.out<int32_t>(1);
  constexpr int64_t kLanes = kRowLanes;
  const int64_t run = (n + kLanes - 1) / kLanes;
  device.launch(
      args.op.attributes().integer("experts"), kRowLanes, 4 * kLanes,
      TIDEMARK_BODY(Group & group, int64_t expert) {
        auto* const at = group.template shared<int32_t>();
        const auto end_of = [&](int64_t lane) { return device::smaller(n, (lane + 1) * run); };
        group.each(kLanes, [&](int64_t lane) {
          at[lane] = 0;
          for (int64_t i = lane * run; i < end_of(lane); ++i) at[lane] += experts[i] == expert;
        });
        const auto before =
            group.template sum<int32_t>(n, [&](int64_t i) { return experts[i] < expert ? 1 : 0; });
        group.each(1, [&](int64_t) {
          int32_t next = before;
          for (int64_t lane = 0; lane < kLanes; ++lane) {
            const int32_t count = at[lane];
            at[lane] = next;
            next += count;
          }
          offsets[expert + 1] = next;
          if (expert == 0) offsets[0] = 0;
        });
        group.each(kLanes, [&](int64_t lane) {
          for (int64_t i = lane * run; i < end_of(lane); ++i)
            if (experts[i] == expert) slots[at[lane]++] = static_cast<int32_t>(i);
        });
      });
}

template <typename T, typename Device>
void weighted_swiglu_typed(const KernelArgs& args, Device& device) {
  const int64_t columns = args.op.in(0).shape[1];
  const T* const gate = args.in<T>(0);
  const T* const up = args.in<T>(1);
  const float* const weights = args.in<float>(2);
  const int32_t* const slots = args.in<int32_t>(3);
  T* const y = args.out<T>(0);
  constexpr int kWide = device::kWide<T>;
  device::each_span<kWide>(
      device, args.op.in(0).shape.elements(), columns % kWide == 0, TIDEMARK_BODY(auto at) {
        const float weight = weights[slots[device::split(at.first, columns).quotient]];
        const auto g = at.load(gate), u = at.load(up);
        at.store(y, [&](int j) { return weight * g[j] * device::sigmoid(g[j]) * u[j]; });
      });
}

template <typename T, typename Device>
void weighted_swiglu_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const int64_t columns = args.op.in(1).shape[1];
  const T* const dy = args.in<T>(0);
  const T* const gate = args.in<T>(1);
  const T* const up = args.in<T>(2);
  const float* const weights = args.in<float>(3);
  const int32_t* const slots = args.in<int32_t>(4);
  T* const dgate = args.out<T>(0);
  T* const dup = args.out<T>(1);
  float* const dweights = args.out<float>(2);
  constexpr int kWide = device::kWide<T>;
  const device::Spans<kWide> spans(columns, columns % kWide == 0);
  device.launch(
      args.op.in(1).shape[0], lanes_for_spans(spans), 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const int64_t begin = row * columns, slot = slots[row];
        const float weight = weights[slot];
        const float dot = device::sum_spans(group, spans, [&](auto at) {
          const auto d = at.load(dy + begin), g = at.load(gate + begin), u = at.load(up + begin);
          return at.sum([&](int j) { return d[j] * g[j] * device::sigmoid(g[j]) * u[j]; });
        });
        device::each_span(group, spans, [&](auto at) {
          const auto of_y = at.load(dy + begin), g = at.load(gate + begin), u = at.load(up + begin);
          const auto open = at.all([&](int j) { return device::sigmoid(g[j]); });
          const auto d = at.all([&](int j) { return weight * of_y[j]; });
          at.store(dgate + begin,
                   [&](int j) { return d[j] * u[j] * open[j] * fmaf(g[j], 1.0f - open[j], 1.0f); });
          at.store(dup + begin, [&](int j) { return d[j] * g[j] * open[j]; });
          if (at.first == 0) dweights[slot] = dot;
        });
      });
}

template <typename Device>
void weighted_swiglu_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), weighted_swiglu_typed, args, device);
}
template <typename Device>
void weighted_swiglu_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), weighted_swiglu_grad_typed, args, device);
}

}  // namespace tidemark::ops
