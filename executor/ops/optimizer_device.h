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
        const auto sum = group.template sum<float>(
            device::smaller<int64_t>(cuda::kGradNormBlock, elements - begin), [&](int64_t i) {
              const float v = device::to_float(x[begin + i]);
              return v * v;
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

  /// Parameter i after the step, of which the moments are stored.
  TIDEMARK_HOST_DEVICE float advance(int64_t i) const {
    const float clip = norm ? clip_norm / (*norm + 1e-6f) : 1.0f;
    const float grad_scale = clip >= 1 ? 1 : clip;  // a norm that is not a number must show
    const float rate = hyper[0] * rate_scale;
    const float g = device::to_float(grad[i]) * grad_scale;
    const float next_m = fmaf(beta1, m[i], (1 - beta1) * g);
    const float next_v = fmaf(beta2, v[i], (1 - beta2) * (g * g));
    const float p = master ? master[i] : device::to_float(param[i]);
    m[i] = next_m;
    v[i] = next_v;
    return fmaf(-rate / hyper[1], next_m / (sqrtf(next_v * (1 / hyper[2])) + epsilon),
                p * (1 - rate * weight_decay));
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

template <typename T, typename Device>
void adamw_typed(const KernelArgs& args, Device& device) {
  const DeviceAdamW<T> a = device_adamw<T>(args);
  device.each(
      args.op.in(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const float next = a.advance(i);
        if (a.master) a.master[i] = next;
        device::store(a.param + i, next);
      });
}

/// To bf16, up or down by a number of 16 random bits: as often as keeps the mean.
TIDEMARK_HOST_DEVICE inline void store_at_random(Bf16* at, float x, uint32_t random) {
  union {
    float value;
    uint32_t bits;
  } u;
  u.value = x;
  const bool finite = (u.bits & 0x7f800000) != 0x7f800000;
  if (finite)
    at->bits = static_cast<uint16_t>((u.bits + random) >> 16);
  else
    device::store(at, x);
}

template <typename Device>
void adamw_rounded(const KernelArgs& args, Device& device) {
  const DeviceAdamW<Bf16> a = device_adamw<Bf16>(args);
  const int64_t elements = args.op.in(0).shape.elements();
  const auto* const seed = args.in<uint32_t>(7);
  const auto site = static_cast<uint64_t>(args.op.attributes().integer("site"));
  device.each((elements + 7) / 8, TIDEMARK_BODY(int64_t counter) {
    const PhiloxWords words = philox4x32(seed[0], seed[1], static_cast<uint64_t>(counter), site);
    for (int64_t j = 0; j < 8 && 8 * counter + j < elements; ++j) {
      const int64_t i = 8 * counter + j;
      store_at_random(a.param + i, a.advance(i), words.of[j / 2] >> (j % 2 * 16) & 0xffff);
    }
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
  device.each(
      args.op.in(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        param[i] -= direction[i] > 0 ? step : direction[i] < 0 ? -step : 0.0f;
      });
}

}  // namespace tidemark::ops
