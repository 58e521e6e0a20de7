// The kernels of state-space layers on a device: a block has a channel, a lane some of its states.
#pragma once

#include "base/divided.h"
#include "executor/device/shared_memory.h"
#include "executor/ops/ssm_kernel_device_channel.h"

namespace tidemark::ops {

inline constexpr int kSsmLanes = 32;  // there are few states, and warps of one block wait for each other

/// 2 Re of the sum of sense x.
template <typename Group>
TIDEMARK_DEVICE double ssm_sensed(Group& group, const DeviceSsm& ssm, const SsmStateCoefficients* c,
                                  const device::Complex* x) {
  if (!ssm.rank_one()) return 0;
  return 2 * group.template sum<double>(ssm.states, [&](int64_t n) { return (c[n].sense * x[n]).re; });
}

/// `to`, which may be x, becomes the state after x.
template <typename Group>
TIDEMARK_DEVICE void ssm_step(Group& group, const DeviceSsm& ssm, const SsmStateCoefficients* c,
                              const device::Complex* x, device::Complex* to) {
  const double sensed = ssm_sensed(group, ssm, c, x);
  group.each(ssm.states, [&](int64_t n) { to[n] = c[n].factor * x[n] - sensed * c[n].feedback; });
}

template <typename Device, typename Scratch>
void ssm_kernel_channels(Device& device, const DeviceSsm& ssm, float* kernel, const Scratch& scratch) {
  using Group = typename Device::Group;
  device.launch(
      ssm.channels, kSsmLanes, scratch.shared_bytes(), TIDEMARK_BODY(Group & group, int64_t channel) {
        auto* const c = scratch.template of<SsmStateCoefficients>(group, channel);
        auto* const x = reinterpret_cast<device::Complex*>(c + ssm.states);
        const SsmChannel in(group, ssm, channel);
        group.each(ssm.states, [&](int64_t n) {
          c[n] = in.coefficients(n);
          x[n] = c[n].start;
        });
        for (int64_t l = 0; l < ssm.length; ++l) {
          const double value =
              group.template sum<double>(ssm.states, [&](int64_t n) { return (c[n].output * x[n]).re; });
          group.each(1, [&](int64_t) { kernel[channel * ssm.length + l] = static_cast<float>(2 * value); });
          ssm_step(group, ssm, c, x, x);
        }
      });
}

template <typename Device>
void ssm_kernel_device(const KernelArgs& args, Device& device) {
  const DeviceSsm ssm = device_ssm(args, 0);
  device::with_scratch(device, cuda::ssm_block_bytes(ssm.states, false), args.workspace,
                       [&](auto scratch) { ssm_kernel_channels(device, ssm, args.out<float>(0), scratch); });
}

/// One step back: g, the gradient of the state after x, becomes that of x; d is that of the kernel's value at
/// x.
template <typename Group>
TIDEMARK_DEVICE void ssm_step_back(Group& group, const DeviceSsm& ssm, const SsmStateCoefficients* c,
                                   const device::Complex* x, double d, SsmStateCoefficients* grads,
                                   device::Complex* g) {
  using device::Complex;
  const double sensed = ssm_sensed(group, ssm, c, x), twice = 2 * d;
  double sensed_grad = 0;
  if (ssm.rank_one())
    sensed_grad =
        -2 * group.template sum<double>(ssm.states, [&](int64_t n) { return inner(c[n].feedback, g[n]); });
  group.each(ssm.states, [&](int64_t n) {
    const Complex state = conjugate(x[n]), grad = g[n];
    grads[n].output += twice * state;
    grads[n].factor += grad * state;
    Complex before = conjugate(c[n].factor) * grad + twice * conjugate(c[n].output);
    if (ssm.rank_one()) {
      grads[n].feedback -= sensed * grad;
      grads[n].sense += sensed_grad * state;
      before += sensed_grad * conjugate(c[n].sense);
    }
    g[n] = before;
  });
}

/// From the coefficients' gradients to those of the parameters.
template <typename Group>
TIDEMARK_DEVICE void ssm_parameters_back(Group& group, const SsmChannel& c, const SsmStateCoefficients* grads,
                                         device::Complex* steps, const DeviceSsmParameters<float>& out) {
  SsmChannelGradient shared;
  if (c.ssm.rank_one()) {
    shared.projected = -c.dt * group.template sum<double>(c.ssm.states, [&](int64_t n) {
      return inner(c.feedback(c.state(n)), grads[n].start);
    });
    shared.divisor = -group.template sum<double>(c.ssm.states, [&](int64_t n) {
      return inner(feedback_gradient(c, grads[n]), c.feedback(c.state(n)));
    }) / c.divisor;
    shared.overlap = c.half * shared.divisor;
  }
  group.each(c.ssm.states, [&](int64_t n) {
    const SsmChannelGradient step = differentiate_state(c, grads[n], shared, n, out);
    steps[n] = {step.dt, step.half};
  });
  const double of_dt = group.template sum<double>(c.ssm.states, [&](int64_t n) { return steps[n].re; });
  const double of_half = group.template sum<double>(c.ssm.states, [&](int64_t n) { return steps[n].im; });
  group.each(1, [&](int64_t) {
    const double half = of_half + c.overlap * shared.divisor;
    out.log_dt[c.channel] = static_cast<float>(c.dt * (of_dt + half / 2));
  });
}

// Back over segments of rows, whose states are made again from the one before the segment. `memory`: of each
// channel the states before its segments and of a segment's rows.
template <typename Device, typename Scratch>
void ssm_kernel_channels_back(Device& device, const DeviceSsm& ssm, const float* dkernel,
                              const DeviceSsmParameters<float>& out, device::Complex* memory,
                              const Scratch& scratch) {
  using Group = typename Device::Group;
  const int64_t segment_rows = cuda::ssm_segment_rows(ssm.length);
  const int64_t segments = (ssm.length + segment_rows - 1) / segment_rows;
  device.launch(
      ssm.channels, kSsmLanes, scratch.shared_bytes(), TIDEMARK_BODY(Group & group, int64_t channel) {
        const int64_t n_states = ssm.states;
        auto* const c = scratch.template of<SsmStateCoefficients>(group, channel);
        auto* const grads = c + n_states;
        auto* const x = reinterpret_cast<device::Complex*>(grads + n_states);
        auto* const g = x + n_states;
        device::Complex* const before = memory + channel * (segments + segment_rows) * n_states;
        device::Complex* const states = before + segments * n_states;
        const SsmChannel in(group, ssm, channel);
        group.each(n_states, [&](int64_t n) {
          c[n] = in.coefficients(n);
          grads[n] = {};
          x[n] = c[n].start;
          g[n] = {};
        });
        for (int64_t l = 0; l < ssm.length; ++l) {
          if (l % segment_rows == 0)
            group.each(n_states, [&](int64_t n) { before[l / segment_rows * n_states + n] = x[n]; });
          ssm_step(group, ssm, c, x, x);
        }
        for (int64_t segment = segments; segment-- > 0;) {
          const int64_t first = segment * segment_rows;
          const int64_t rows = device::smaller(segment_rows, ssm.length - first);
          group.each(n_states, [&](int64_t n) { states[n] = before[segment * n_states + n]; });
          for (int64_t l = 1; l < rows; ++l)
            ssm_step(group, ssm, c, states + (l - 1) * n_states, states + l * n_states);
          for (int64_t l = rows; l-- > 0;)
            ssm_step_back(group, ssm, c, states + l * n_states,
                          static_cast<double>(dkernel[channel * ssm.length + first + l]), grads, g);
        }
        group.each(n_states, [&](int64_t n) { grads[n].start = g[n]; });
        ssm_parameters_back(group, in, grads, x, out);
      });
}

template <typename Device>
void ssm_kernel_grad_device(const KernelArgs& args, Device& device) {
  const DeviceSsm ssm = device_ssm(args, 1);
  const auto output = [&](int i) { return args.op.has_out(i) ? args.out<float>(i) : nullptr; };
  const DeviceSsmParameters<float> out{output(0), output(1), output(2), output(3), output(4), output(5)};
  const int64_t segment_rows = cuda::ssm_segment_rows(ssm.length);
  const int64_t rows = divided(ssm.length, segment_rows) + segment_rows;
  auto* const memory = static_cast<device::Complex*>(args.workspace);
  device::with_scratch(
      device, cuda::ssm_block_bytes(ssm.states, true), memory + ssm.channels * ssm.states * rows,
      [&](auto scratch) { ssm_kernel_channels_back(device, ssm, args.in<float>(0), out, memory, scratch); });
}

}  // namespace tidemark::ops
