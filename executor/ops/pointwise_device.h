#pragma once

#include "executor/ops/activation.h"
#include "executor/ops/device_operands.h"

namespace tidemark::ops {

template <typename A, typename B>
using Wider = std::conditional_t<(sizeof(A) < sizeof(B)), B, A>;

/// body(span) for the elements of the first output; the widest operand is of T. Operands are whole buffers.
template <typename T, typename Device, typename Body>
void each_element(const KernelArgs& args, Device& device, const Body& body) {
  device::each_span<device::kWide<T>>(device, args.op.out(0).shape.elements(), true, body);
}

template <typename T, typename Device>
void swiglu_typed(const KernelArgs& args, Device& device) {
  const T* const gate = args.in<T>(0);
  const T* const up = args.in<T>(1);
  T* const y = args.out<T>(0);
  each_element<T>(
      args, device, TIDEMARK_BODY(auto at) {
        const auto g = at.load(gate), u = at.load(up);
        at.store(y, [&](int j) { return g[j] * device::sigmoid(g[j]) * u[j]; });
      });
}

template <typename T, typename Device>
void swiglu_grad_typed(const KernelArgs& args, Device& device) {
  const T* const dy = args.in<T>(0);
  const T* const gate = args.in<T>(1);
  const T* const up = args.in<T>(2);
  T* const dgate = args.out<T>(0);
  T* const dup = args.out<T>(1);
  each_element<T>(
      args, device, TIDEMARK_BODY(auto at) {
        const auto d = at.load(dy), g = at.load(gate), u = at.load(up);
        const auto s = at.all([&](int j) { return device::sigmoid(g[j]); });
        at.store(dgate, [&](int j) { return d[j] * u[j] * s[j] * fmaf(g[j], 1.0f - s[j], 1.0f); });
        at.store(dup, [&](int j) { return d[j] * g[j] * s[j]; });
      });
}

template <typename T, typename Device>
void glu_typed(const KernelArgs& args, Device& device) {
  const T* const x = args.in<T>(0);
  const T* const gate = args.in<T>(1);
  T* const y = args.out<T>(0);
  each_element<T>(
      args, device, TIDEMARK_BODY(auto at) {
        const auto v = at.load(x), g = at.load(gate);
        at.store(y, [&](int j) { return v[j] * device::sigmoid(g[j]); });
      });
}

template <typename T, typename Device>
void glu_grad_typed(const KernelArgs& args, Device& device) {
  const T* const dy = args.in<T>(0);
  const T* const x = args.in<T>(1);
  const T* const gate = args.in<T>(2);
  T* const dx = args.out<T>(0);
  T* const dgate = args.out<T>(1);
  each_element<T>(
      args, device, TIDEMARK_BODY(auto at) {
        const auto dvalue = at.load(dy), value = at.load(x), g = at.load(gate);
        const auto open = at.all([&](int j) { return device::sigmoid(g[j]); });
        const auto d = at.all([&](int j) { return dvalue[j] * open[j]; });
        at.store(dx, [&](int j) { return d[j]; });
        at.store(dgate, [&](int j) { return d[j] * value[j] * (1.0f - open[j]); });
      });
}

template <typename T, typename Device>
void gated_lerp_typed(const KernelArgs& args, Device& device) {
  const T* const x = args.in<T>(0);
  const T* const y = args.in<T>(1);
  const T* const gate = args.in<T>(2);
  T* const z = args.out<T>(0);
  each_element<T>(
      args, device, TIDEMARK_BODY(auto at) {
        const auto from = at.load(x), to = at.load(y), g = at.load(gate);
        at.store(z, [&](int j) { return fmaf(to[j] - from[j], device::sigmoid(g[j]), from[j]); });
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
  each_element<T>(
      args, device, TIDEMARK_BODY(auto at) {
        const auto d = at.load(dz), from = at.load(x), to = at.load(y), g = at.load(gate);
        const auto open = at.all([&](int j) { return device::sigmoid(g[j]); });
        const auto to_y = at.all([&](int j) { return d[j] * open[j]; });
        const auto to_x = at.all([&](int j) { return d[j] - to_y[j]; });
        at.store(dx, [&](int j) { return to_x[j]; });
        at.store(dy, [&](int j) { return to_y[j]; });
        at.store(dgate, [&](int j) { return to_x[j] * open[j] * (to[j] - from[j]); });
      });
}

template <typename T, typename Other, typename Device>
void add_values(const KernelArgs& args, Device& device) {
  const T* const a = args.in<T>(0);
  const Other* const b = args.in<Other>(1);
  T* const y = args.out<T>(0);
  each_element<Wider<T, Other>>(
      args, device, TIDEMARK_BODY(auto at) {
        const auto first = at.load(a), second = at.load(b);
        at.store(y, [&](int j) { return first[j] + second[j]; });
      });
}
template <typename T, typename Device>
void add_typed(const KernelArgs& args, Device& device) {
  args.op.in(1).dtype == DType::bf16 ? add_values<T, Bf16>(args, device) : add_values<T, float>(args, device);
}

template <typename T, typename From, typename Device>
void convert_values(const KernelArgs& args, Device& device) {
  const From* const x = args.in<From>(0);
  T* const y = args.out<T>(0);
  each_element<Wider<T, From>>(
      args, device, TIDEMARK_BODY(auto at) {
        const auto v = at.load(x);
        at.store(y, [&](int j) { return v[j]; });
      });
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
  each_element<T>(
      args, device, TIDEMARK_BODY(auto at) {
        const auto v = at.load(x);
        at.store(y, [&](int j) { return activated(f, v[j]); });
      });
}

template <typename T, typename Device>
void activation_grad_typed(const KernelArgs& args, Device& device) {
  const Activation f = activation_from(args.op.attributes().text("function"));
  const T* const dy = args.in<T>(0);
  const T* const y = args.in<T>(1);
  T* const dx = args.out<T>(0);
  each_element<T>(
      args, device, TIDEMARK_BODY(auto at) {
        const auto d = at.load(dy), v = at.load(y);
        at.store(dx, [&](int j) { return d[j] * activation_slope(f, v[j]); });
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
