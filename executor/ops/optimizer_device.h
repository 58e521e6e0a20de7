#pragma once

#include "executor/ops/device_operands.h"
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

template <typename T, typename Device>
void adamw_typed(const KernelArgs& args, Device& device) {
  const Attributes& attributes = args.op.attributes();
  const auto number = [&](const char* name) { return static_cast<float>(attributes.number(name)); };
  const float beta1 = number("beta1"), beta2 = number("beta2"), epsilon = number("epsilon"),
              weight_decay = number("weight_decay"), clip_norm = number("clip_norm"),
              rate_scale = number("learning_rate_scale");
  const T* const grad = args.in<T>(1);
  const float* const hyper = args.in<float>(4);
  const float* const norm = args.op.has_in(5) ? args.in<float>(5) : nullptr;
  T* const param = args.out<T>(0);
  float* const m_state = args.out<float>(1);
  float* const v_state = args.out<float>(2);
  float* const master = args.op.has_in(6) ? args.out<float>(3) : nullptr;
  device.each(
      args.op.in(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const float clip = norm ? clip_norm / (*norm + 1e-6f) : 1.0f;
        const float grad_scale = clip >= 1 ? 1 : clip;  // a norm that is not a number must show
        const float rate = hyper[0] * rate_scale;
        const float g = device::to_float(grad[i]) * grad_scale;
        const float m = fmaf(beta1, m_state[i], (1 - beta1) * g);
        const float v = fmaf(beta2, v_state[i], (1 - beta2) * (g * g));
        const float p = master ? master[i] : device::to_float(param[i]);
        const float next =
            fmaf(-rate / hyper[1], m / (sqrtf(v * (1 / hyper[2])) + epsilon), p * (1 - rate * weight_decay));
        m_state[i] = m;
        v_state[i] = v;
        if (master) master[i] = next;
        device::store(param + i, next);
      });
}

template <typename Device>
void adamw_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), adamw_typed, args, device);
}

}  // namespace tidemark::ops
