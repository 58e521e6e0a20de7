// A channel of a state-space layer's kernel on a device: its parameters discretised, and their gradients from
// those of the coefficients. In double, as on the CPU (ssm_kernel.cpp says what is what).
#pragma once

#include "executor/ops/complex_device.h"
#include "executor/ops/device_operands.h"
#include "graph/cuda_scan_workspace.h"

namespace tidemark::ops {

/// The op's parameters, or their gradients; b and p may be absent.
template <typename Float>
struct DeviceSsmParameters {
  Float *log_dt = nullptr, *a_real_log = nullptr, *a_imag = nullptr, *c = nullptr, *b = nullptr, *p = nullptr;
};

struct DeviceSsm {
  int64_t channels = 0, states = 0, length = 0;
  bool bilinear = false;
  DeviceSsmParameters<const float> in;

  TIDEMARK_HOST_DEVICE bool rank_one() const { return in.p != nullptr; }
};

/// log_dt and the other parameters are inputs `first` and the following.
inline DeviceSsm device_ssm(const KernelArgs& args, int first) {
  DeviceSsm s;
  s.channels = args.op.in(first + 1).shape[0];
  s.states = args.op.in(first + 1).shape[1];
  s.length = args.op.attributes().integer("length");
  s.bilinear = args.op.attributes().text("discretization") == "bilinear";
  const auto input = [&](int i) { return args.op.has_in(first + i) ? args.in<float>(first + i) : nullptr; };
  s.in = {input(0), input(1), input(2), input(3), input(4), input(5)};
  return s;
}

TIDEMARK_HOST_DEVICE inline device::Complex complex_at(const float* values, int64_t i, double absent) {
  if (!values) return {absent, 0};
  return {static_cast<double>(values[2 * i]), static_cast<double>(values[2 * i + 1])};
}
TIDEMARK_HOST_DEVICE inline void store_complex(float* values, int64_t i, device::Complex x) {
  values[2 * i] = static_cast<float>(x.re);
  values[2 * i + 1] = static_cast<float>(x.im);
}

/// x' = factor x - feedback (2 Re sum of sense x), K = 2 Re sum of output x, from x = start; or the
/// gradients.
struct SsmStateCoefficients {
  device::Complex factor, output, start, feedback, sense;
};
static_assert(sizeof(SsmStateCoefficients) == 5 * sizeof(device::Complex) && sizeof(device::Complex) == 16,
              "cuda::ssm_block_bytes");

/// One state of a channel.
struct SsmState {
  device::Complex a, b, c, p;
  device::Complex inverse;  ///< bilinear: 1 / (1 - dt/2 a)
  device::Complex factor;
};

struct SsmChannel {
  DeviceSsm ssm;
  int64_t channel;
  double dt, half;
  double overlap = 0, divisor = 1, projected = 0;

  template <typename Group>
  TIDEMARK_DEVICE SsmChannel(Group& group, const DeviceSsm& s, int64_t h)
      : ssm(s), channel(h), dt(exp(static_cast<double>(s.in.log_dt[h]))), half(dt / 2) {
    if (!ssm.rank_one()) return;
    overlap = 2 * group.template sum<double>(s.states, [&](int64_t n) {
      const SsmState x = state(n);
      return squared_norm(x.p) * x.inverse.re;
    });
    projected = 2 * group.template sum<double>(s.states, [&](int64_t n) {
      const SsmState x = state(n);
      return (conjugate(x.p) * x.b * x.inverse).re;
    });
    divisor = 1 + half * overlap;
  }

  TIDEMARK_HOST_DEVICE SsmState state(int64_t n) const {
    const int64_t i = channel * ssm.states + n;
    SsmState s;
    s.a = {-exp(static_cast<double>(ssm.in.a_real_log[i])), static_cast<double>(ssm.in.a_imag[i])};
    s.b = complex_at(ssm.in.b, i, 1);
    s.c = complex_at(ssm.in.c, i, 0);
    s.p = complex_at(ssm.in.p, i, 0);
    s.inverse = device::inverse(device::Complex{1, 0} - half * s.a);
    s.factor = ssm.bilinear ? 2 * s.inverse - device::Complex{1, 0} : exponential(dt * s.a);
    return s;
  }
  TIDEMARK_HOST_DEVICE device::Complex feedback(const SsmState& s) const {
    return half / divisor * (s.p * s.inverse);
  }
  TIDEMARK_HOST_DEVICE device::Complex start(const SsmState& s) const {
    if (!ssm.bilinear) return (s.factor - device::Complex{1, 0}) * device::inverse(s.a) * s.b;
    return dt * (s.b * s.inverse - projected * feedback(s));
  }
  TIDEMARK_HOST_DEVICE SsmStateCoefficients coefficients(int64_t n) const {
    const SsmState s = state(n);
    return {s.factor, s.c, start(s), feedback(s), 2 * (conjugate(s.p) * s.inverse)};
  }
};

/// What the states' gradients share.
struct SsmChannelGradient {
  double dt = 0, half = 0, divisor = 0, projected = 0, overlap = 0;
};

/// Of feedback, with what comes through start.
TIDEMARK_HOST_DEVICE inline device::Complex feedback_gradient(const SsmChannel& c,
                                                              const SsmStateCoefficients& g) {
  return g.feedback - c.dt * c.projected * g.start;
}

/// The parameters' gradients of state n, stored but for the step's: those of dt and dt/2 are returned,
/// without the latter's part through the divisor.
TIDEMARK_HOST_DEVICE inline SsmChannelGradient differentiate_state(const SsmChannel& c,
                                                                   const SsmStateCoefficients& g,
                                                                   const SsmChannelGradient& shared,
                                                                   int64_t n,
                                                                   const DeviceSsmParameters<float>& out) {
  using device::Complex;
  const SsmState s = c.state(n);
  SsmChannelGradient step;
  Complex a_grad, b_grad, p_grad;
  if (c.ssm.bilinear) {
    step.dt = inner(g.start, c.start(s)) / c.dt;
    b_grad = c.dt * (conjugate(s.inverse) * g.start);
    Complex inverse_grad = c.dt * (conjugate(s.b) * g.start) + 2 * g.factor;
    if (c.ssm.rank_one()) {
      const Complex feedback_grad = feedback_gradient(c, g);
      const double share = c.half / c.divisor;
      inverse_grad += 2 * (s.p * g.sense);
      p_grad += 2 * (s.inverse * conjugate(g.sense));
      inverse_grad += share * (conjugate(s.p) * feedback_grad);
      p_grad += share * (conjugate(s.inverse) * feedback_grad);
      step.half += inner(feedback_grad, s.p * s.inverse) / c.divisor;
      b_grad += 2 * shared.projected * (s.p * conjugate(s.inverse));
      inverse_grad += 2 * shared.projected * (s.p * conjugate(s.b));
      p_grad += 2 * shared.projected * (s.b * s.inverse);
      inverse_grad += Complex{2 * squared_norm(s.p) * shared.overlap, 0};
      p_grad += 4 * s.inverse.re * shared.overlap * s.p;
    }
    const Complex product_grad = conjugate(s.inverse * s.inverse) * inverse_grad;  // of dt/2 a
    a_grad = c.half * product_grad;
    step.half += inner(product_grad, s.a);
  } else {
    const Complex per_a = device::inverse(s.a), ratio = (s.factor - Complex{1, 0}) * per_a;
    b_grad = conjugate(ratio) * g.start;
    const Complex product_grad =
        conjugate(s.factor) * (g.factor + conjugate(s.b * per_a) * g.start);  // of dt a
    a_grad = c.dt * product_grad - conjugate(ratio * per_a * s.b) * g.start;
    step.dt = inner(product_grad, s.a);
  }
  const int64_t i = c.channel * c.ssm.states + n;
  out.a_real_log[i] = static_cast<float>(a_grad.re * s.a.re);
  out.a_imag[i] = static_cast<float>(a_grad.im);
  store_complex(out.c, i, g.output);
  if (out.b) store_complex(out.b, i, b_grad);
  if (out.p) store_complex(out.p, i, p_grad);
  return step;
}

}  // namespace tidemark::ops
