#pragma once

#include "executor/ops/linear_device.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

/// Which elements of a weight[outputs, inputs] count.
struct DeviceMask {
  const int32_t* of_inputs = nullptr;
  const int32_t* of_outputs = nullptr;
  int64_t inputs = 0;
  int margin = 0;

  TIDEMARK_HOST_DEVICE bool keeps(int64_t element) const {
    return of_inputs[element % inputs] < of_outputs[element / inputs] + margin;
  }
};

inline DeviceMask device_mask(const KernelArgs& args) {
  return {args.in<int32_t>(2), args.in<int32_t>(3), args.op.in(2).shape[0],
          args.op.attributes().flag("strict") ? 0 : 1};
}

/// What is of the weight's size lies behind the product's scratch.
template <typename T>
T* masked_weight_space(const KernelArgs& args) {
  return reinterpret_cast<T*>(static_cast<std::byte*>(args.workspace) + cuda::kMatmulWorkspace);
}

/// The weight with zeros where the mask has them.
template <typename T, typename Device>
const void* masked_weight(const KernelArgs& args, Device& device) {
  const DeviceMask mask = device_mask(args);
  const T* const weight = args.in<T>(1);
  T* const masked = masked_weight_space<T>(args);
  device.each(
      args.op.in(1).shape.elements(),
      TIDEMARK_BODY(int64_t i) { masked[i] = mask.keeps(i) ? weight[i] : T{}; });
  return masked;
}

template <typename Device>
void masked_linear_device(const KernelArgs& args, Device& device) {
  device::Matmul p = device_product(args);
  p.b = TIDEMARK_TYPED(args.op.in(1), masked_weight, args, device);
  p.k = p.lda;
  p.b_transposed = true;
  if (args.op.has_in(4)) p.bias = args.inputs[4];
  if (args.op.has_in(5)) p.start = args.inputs[5];
  device.matmul(p);
}

template <typename Device>
void masked_linear_grad_input_device(const KernelArgs& args, Device& device) {
  device::Matmul p = device_product(args);
  p.b = TIDEMARK_TYPED(args.op.in(1), masked_weight, args, device);
  p.k = p.lda;
  if (args.op.has_in(4)) p.start = args.inputs[4];
  device.matmul(p);
}

template <typename T, typename Device>
void masked_linear_grad_weight_typed(const KernelArgs& args, Device& device) {
  float* const whole = masked_weight_space<float>(args);
  device::Matmul p = device_product(args);
  p.k = args.op.in(0).shape[0];
  p.a_transposed = true;
  p.c = whole;
  p.c_dtype = DType::f32;
  device.matmul(p);

  const DeviceMask mask = device_mask(args);
  const T* const start = args.op.has_in(4) ? args.in<T>(4) : nullptr;
  T* const dweight = args.out<T>(0);
  device.each(
      args.op.out(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const float kept = mask.keeps(i) ? whole[i] : 0.0f;
        device::store(dweight + i, start ? device::to_float(start[i]) + kept : kept);
      });
}

template <typename Device>
void masked_linear_grad_weight_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), masked_linear_grad_weight_typed, args, device);
}

}  // namespace tidemark::ops
