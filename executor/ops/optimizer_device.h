#pragma once

#include "executor/ops/device_operands.h"
#include "executor/ops/philox_device.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

/// The squares of each block of x, summed into `sums`; returns how many blocks.
template <typename T, typename Device>
int64_t sum_squares(Device& device, const void* tensor, int64_t elements, double* sums) {
  using Group = typename Device::Group;
  const T* const x = static_cast<const T*>(tensor);
  const int64_t blocks = cuda::grad_norm_blocks(elements);
  device.launch(
      blocks, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t block) {
        const int64_t begin = block * cuda::kGradNormBlock;
        const device::Spans<device::kWide<T>> spans(
            device::smaller<int64_t>(cuda::kGradNormBlock, elements - begin), true, 0);
        const float sum = device::sum_spans(group, spans, [&](auto at) {
          const auto v = at.load(x + begin);
          return at.sum([&](int j) { return v[j] * v[j]; });
        });
        group.each(1, [&](int64_t) { sums[block] = static_cast<double>(sum); });
      });
  return blocks;
}

template <typename Device>
void grad_norm_device(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  auto* const sums = static_cast<double*>(args.workspace);
  int64_t blocks = 0;
  for (int i = 0; i < args.op.inputs(); ++i)
    blocks += TIDEMARK_TYPED(args.op.in(i), sum_squares, device, args.inputs[static_cast<size_t>(i)],
                             args.op.in(i).shape.elements(), sums + blocks);
  float* const norm = args.out<float>(0);
  device.launch(
      1, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t) {
        const auto total = group.template sum<double>(blocks, [&](int64_t i) { return sums[i]; });
        group.each(1, [&](int64_t) { *norm = static_cast<float>(sqrt(total)); });
      });
}

/// One step of AdamW (docs/ops.md has the formula).
template <typename T>
struct DeviceAdamW {
  float beta1 = 0, beta2 = 0, epsilon = 0, weight_decay = 0, clip_norm = 0, rate_scale = 0;
  const T* grad = nullptr;
  const float* hyper = nullptr;
  const float* norm = nullptr;  ///< null: no clipping
  T* param = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  float* master = nullptr;  ///< null: param is the only copy
};

/// What a step is for all elements.
struct DeviceAdamWStep {
  float grad_scale, decay, rate, v_scale;

  template <typename T>
  TIDEMARK_HOST_DEVICE explicit DeviceAdamWStep(const DeviceAdamW<T>& a) {
    const float clip = a.norm ? a.clip_norm / (*a.norm + 1e-6f) : 1.0f;
    grad_scale = clip >= 1 ? 1 : clip;  // a norm that is not a number must show
    const float learning = a.hyper[0] * a.rate_scale;
    decay = 1 - learning * a.weight_decay;
    rate = -learning / a.hyper[1];
    v_scale = 1 / a.hyper[2];
  }
};

template <typename T>
DeviceAdamW<T> device_adamw(const KernelArgs& args) {
  const auto number = [&](const char* name) { return static_cast<float>(args.op.attributes().number(name)); };
  DeviceAdamW<T> a;
  a.beta1 = number("beta1");
  a.beta2 = number("beta2");
  a.epsilon = number("epsilon");
  a.weight_decay = number("weight_decay");
  a.clip_norm = number("clip_norm");
  a.rate_scale = number("learning_rate_scale");
  a.grad = args.in<T>(1);
  a.hyper = args.in<float>(4);
  a.norm = args.op.has_in(5) ? args.in<float>(5) : nullptr;
  a.param = args.out<T>(0);
  a.m = args.out<float>(1);
  a.v = args.out<float>(2);
  a.master = args.op.has_in(6) ? args.out<float>(3) : nullptr;
  return a;
}

/// store(span, the parameters after the step) for every span, of which the moments are stored.
template <typename T, typename Device, typename Store>
void run_adamw(const DeviceAdamW<T>& a, Device& device, int64_t elements, const Store& store) {
  using Group = typename Device::Group;
  constexpr int kWide = device::kWide<float>;
  constexpr int64_t kBlock = 4 * kWide * kRowLanes;
  const bool aligned = device::are_aligned<kWide>(0, a.grad, a.param, a.m, a.v, a.master);
  device.launch((elements + kBlock - 1) / kBlock, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t block) {
    const DeviceAdamWStep step(a);
    const int64_t begin = block * kBlock;
    const device::Spans<kWide> spans(device::smaller(kBlock, elements - begin), aligned, 0);
    device::each_span(group, spans, [&](auto at) {
      at.first += begin;
      const auto loaded = at.load(a.grad), old_m = at.load(a.m), old_v = at.load(a.v);
      const auto p = a.master ? at.load(a.master) : at.load(a.param);
      const auto g = at.all([&](int j) { return loaded[j] * step.grad_scale; });
      const auto next_m = at.all([&](int j) { return fmaf(a.beta1, old_m[j], (1 - a.beta1) * g[j]); });
      const auto next_v =
          at.all([&](int j) { return fmaf(a.beta2, old_v[j], (1 - a.beta2) * (g[j] * g[j])); });
      at.store(a.m, [&](int j) { return next_m[j]; });
      at.store(a.v, [&](int j) { return next_v[j]; });
      store(at, at.all([&](int j) {
        return fmaf(step.rate, next_m[j] / (sqrtf(next_v[j] * step.v_scale) + a.epsilon), p[j] * step.decay);
      }));
    });
  });
}

template <typename T, typename Device>
void adamw_typed(const KernelArgs& args, Device& device) {
  const DeviceAdamW<T> a = device_adamw<T>(args);
  run_adamw(
      a, device, args.op.in(0).shape.elements(), TIDEMARK_BODY(auto at, auto next) {
        if (a.master) at.store(a.master, [&](int j) { return next[j]; });
        at.store(a.param, [&](int j) { return next[j]; });
      });
}

/// A number of bf16, up or down by 16 random bits: as often as keeps the mean.
TIDEMARK_HOST_DEVICE inline float rounded_at_random(float x, uint32_t random) {
  union {
    float value;
    uint32_t bits;
  } u;
  u.value = x;
  const bool finite = (u.bits & 0x7f800000) != 0x7f800000;
  return finite ? device::from_bits((u.bits + random) & 0xffff0000) : x;
}

template <typename Device>
void adamw_rounded(const KernelArgs& args, Device& device) {
  const DeviceAdamW<Bf16> a = device_adamw<Bf16>(args);
  const auto* const seed = args.in<uint32_t>(7);
  const auto site = static_cast<uint64_t>(args.op.attributes().integer("site"));
  // Eight elements share a counter, of whose random bits each has 16.
  run_adamw(
      a, device, args.op.in(0).shape.elements(), TIDEMARK_BODY(auto at, auto next) {
        const PhiloxWords words = philox4x32(seed[0], seed[1], static_cast<uint64_t>(at.first / 8), site);
        const bool upper = at.first % 8 >= 4;
        const uint32_t pairs[] = {upper ? words.of[2] : words.of[0], upper ? words.of[3] : words.of[1]};
        const auto begin = static_cast<int>(at.first % 4);
        at.store(a.param, [&](int j) {
          const uint32_t pair = begin + j < 2 ? pairs[0] : pairs[1];
          return rounded_at_random(next[j], pair >> ((begin + j) % 2 * 16) & 0xffff);
        });
      });
}

template <typename Device>
void adamw_device(const KernelArgs& args, Device& device) {
  if (args.op.has_in(7)) return adamw_rounded(args, device);
  TIDEMARK_TYPED(args.op.in(0), adamw_typed, args, device);
}

template <typename Device>
void sign_step_device(const KernelArgs& args, Device& device) {
  const float step = static_cast<float>(args.op.attributes().number("step"));
  const float* const direction = args.in<float>(1);
  float* const param = args.out<float>(0);
  device::each_span<device::kWide<float>>(
      device, args.op.in(0).shape.elements(), true, TIDEMARK_BODY(auto at) {
        const auto p = at.load(param), d = at.load(direction);
        at.store(param, [&](int j) { return p[j] - (d[j] > 0 ? step : d[j] < 0 ? -step : 0.0f); });
      });
}

}  // namespace tidemark::ops
