#pragma once

#include "executor/ops/activation.h"
#include "executor/ops/device_operands.h"

namespace tidemark::ops {

template <typename T, typename Device>
void swiglu_typed(const KernelArgs& args, Device& device) {
  const T* const gate = args.in<T>(0);
  const T* const up = args.in<T>(1);
  T* const y = args.out<T>(0);
  device.each(
      args.op.out(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const float g = device::to_float(gate[i]);
        device::store(y + i, g * device::sigmoid(g) * device::to_float(up[i]));
      });
}

template <typename T, typename Device>
void swiglu_grad_typed(const KernelArgs& args, Device& device) {
  const T* const dy = args.in<T>(0);
  const T* const gate = args.in<T>(1);
  const T* const up = args.in<T>(2);
  T* const dgate = args.out<T>(0);
  T* const dup = args.out<T>(1);
  device.each(
      args.op.out(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const float d = device::to_float(dy[i]), g = device::to_float(gate[i]), u = device::to_float(up[i]);
        const float s = device::sigmoid(g);
        device::store(dgate + i, d * u * s * fmaf(g, 1.0f - s, 1.0f));
        device::store(dup + i, d * g * s);
      });
}

template <typename T, typename Device>
void glu_typed(const KernelArgs& args, Device& device) {
  const T* const x = args.in<T>(0);
  const T* const gate = args.in<T>(1);
  T* const y = args.out<T>(0);
  device.each(
      args.op.out(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        device::store(y + i, device::to_float(x[i]) * device::sigmoid(device::to_float(gate[i])));
      });
}

template <typename T, typename Device>
void glu_grad_typed(const KernelArgs& args, Device& device) {
  const T* const dy = args.in<T>(0);
  const T* const x = args.in<T>(1);
  const T* const gate = args.in<T>(2);
  T* const dx = args.out<T>(0);
  T* const dgate = args.out<T>(1);
  device.each(
      args.op.out(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const float value = device::to_float(x[i]), open = device::sigmoid(device::to_float(gate[i]));
        const float d = device::to_float(dy[i]) * open;
        device::store(dx + i, d);
        device::store(dgate + i, d * value * (1.0f - open));
      });
}

template <typename T, typename Device>
void gated_lerp_typed(const KernelArgs& args, Device& device) {
  const T* const x = args.in<T>(0);
  const T* const y = args.in<T>(1);
  const T* const gate = args.in<T>(2);
  T* const z = args.out<T>(0);
  device.each(
      args.op.out(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const float from = device::to_float(x[i]), open = device::sigmoid(device::to_float(gate[i]));
        device::store(z + i, fmaf(device::to_float(y[i]) - from, open, from));
      });
}

template <typename T, typename Device>
void gated_lerp_grad_typed(const KernelArgs& args, Device& device) {
  const T* const dz = args.in<T>(0);
  const T* const x = args.in<T>(1);
  const T* const y = args.in<T>(2);
  const T* const gate = args.in<T>(3);
  T* const dx = args.out<T>(0);
  T* const dy = args.out<T>(1);
  T* const dgate = args.out<T>(2);
  device.each(
      args.op.out(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const float d = device::to_float(dz[i]), open = device::sigmoid(device::to_float(gate[i]));
        const float span = device::to_float(y[i]) - device::to_float(x[i]), to_y = d * open, to_x = d - to_y;
        device::store(dx + i, to_x);
        device::store(dy + i, to_y);
        device::store(dgate + i, to_x * open * span);
      });
}

template <typename T, typename Other, typename Device>
void add_values(const KernelArgs& args, Device& device) {
  const T* const a = args.in<T>(0);
  const Other* const b = args.in<Other>(1);
  T* const y = args.out<T>(0);
  device.each(
      args.op.out(0).shape.elements(),
      TIDEMARK_BODY(int64_t i) { device::store(y + i, device::to_float(a[i]) + device::to_float(b[i])); });
}
template <typename T, typename Device>
void add_typed(const KernelArgs& args, Device& device) {
  args.op.in(1).dtype == DType::bf16 ? add_values<T, Bf16>(args, device) : add_values<T, float>(args, device);
}

template <typename T, typename From, typename Device>
void convert_values(const KernelArgs& args, Device& device) {
  const From* const x = args.in<From>(0);
  T* const y = args.out<T>(0);
  device.each(
      args.op.out(0).shape.elements(),
      TIDEMARK_BODY(int64_t i) { device::store(y + i, device::to_float(x[i])); });
}
template <typename T, typename Device>
void convert_typed(const KernelArgs& args, Device& device) {
  args.op.in(0).dtype == DType::bf16 ? convert_values<T, Bf16>(args, device)
                                     : convert_values<T, float>(args, device);
}

TIDEMARK_HOST_DEVICE inline float activated(Activation f, float x) {
  switch (f) {
    case Activation::relu: return device::larger(x, 0.0f);
    case Activation::relu_squared: return device::larger(x, 0.0f) * device::larger(x, 0.0f);
    case Activation::sigmoid: return device::sigmoid(x);
    case Activation::tanh: return tanhf(x);
  }
  return NAN;
}
/// The derivative where the value is y.
TIDEMARK_HOST_DEVICE inline float activation_slope(Activation f, float y) {
  switch (f) {
    case Activation::relu: return y > 0 ? 1.0f : 0.0f;
    case Activation::relu_squared: return 2 * sqrtf(y);
    case Activation::sigmoid: return y * (1.0f - y);
    case Activation::tanh: return 1.0f - y * y;
  }
  return NAN;
}

template <typename T, typename Device>
void activation_typed(const KernelArgs& args, Device& device) {
  const Activation f = activation_from(args.op.attributes().text("function"));
  const T* const x = args.in<T>(0);
  T* const y = args.out<T>(0);
  device.each(
      args.op.out(0).shape.elements(),
      TIDEMARK_BODY(int64_t i) { device::store(y + i, activated(f, device::to_float(x[i]))); });
}

template <typename T, typename Device>
void activation_grad_typed(const KernelArgs& args, Device& device) {
  const Activation f = activation_from(args.op.attributes().text("function"));
  const T* const dy = args.in<T>(0);
  const T* const y = args.in<T>(1);
  T* const dx = args.out<T>(0);
  device.each(
      args.op.out(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        device::store(dx + i, device::to_float(dy[i]) * activation_slope(f, device::to_float(y[i])));
      });
}

template <typename Device>
void swiglu_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), swiglu_typed, args, device);
}
template <typename Device>
void swiglu_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), swiglu_grad_typed, args, device);
}
template <typename Device>
void glu_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), glu_typed, args, device);
}
template <typename Device>
void glu_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), glu_grad_typed, args, device);
}
template <typename Device>
void gated_lerp_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), gated_lerp_typed, args, device);
}
template <typename Device>
void gated_lerp_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), gated_lerp_grad_typed, args, device);
}
template <typename Device>
void add_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), add_typed, args, device);
}
template <typename Device>
void accumulate_device(const KernelArgs& args, Device& device) {
  add_device(args, device);
}
template <typename Device>
void clear_device(const KernelArgs& args, Device& device) {
  device.zero(args.outputs[0], args.op.out(0).bytes());
}
template <typename Device>
void convert_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), convert_typed, args, device);
}
template <typename Device>
void activation_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), activation_typed, args, device);
}
template <typename Device>
void activation_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.out(0), activation_grad_typed, args, device);
}

}  // namespace tidemark::ops
