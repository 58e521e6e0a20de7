// The diagonal linear recurrence of the LRU (Orvieto et al., arXiv 2303.06349): a lane per channel of a
// sequence goes through its rows.
#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

/// The conjugate of lambda, exp(-exp(nu_log) - i exp(theta_log)).
struct DiagonalDecay {
  float re, im;

  TIDEMARK_HOST_DEVICE DiagonalDecay(float nu_log, float theta_log) {
    const double radius = exp(-exp(static_cast<double>(nu_log))), phase = exp(static_cast<double>(theta_log));
    re = static_cast<float>(radius * cos(phase));
    im = static_cast<float>(-radius * sin(phase));
  }
};

template <typename T, typename Device>
void diagonal_scan_typed(const KernelArgs& args, Device& device) {
  const int64_t channels = args.op.in(0).shape[1], sequences = args.op.in(4).shape[0] - 1;
  const T* const x_re = args.in<T>(0);
  const T* const x_im = args.in<T>(1);
  const float* const nu_log = args.in<float>(2);
  const float* const theta_log = args.in<float>(3);
  const int32_t* const cu_seqlens = args.in<int32_t>(4);
  T* const h_re = args.out<T>(0);
  T* const h_im = args.out<T>(1);
  device.each(
      sequences * channels, TIDEMARK_BODY(int64_t lane) {
        const int64_t sequence = lane / channels, channel = lane % channels;
        const DiagonalDecay decay(nu_log[channel], theta_log[channel]);
        float re = 0, im = 0;
        for (int64_t row = cu_seqlens[sequence]; row < cu_seqlens[sequence + 1]; ++row) {
          const int64_t at = row * channels + channel;
          const float r = re, m = im;
          re = fmaf(decay.re, r, fmaf(-decay.im, m, device::to_float(x_re[at])));
          im = fmaf(decay.re, m, fmaf(decay.im, r, -device::to_float(x_im[at])));
          device::store(h_re + at, re);
          device::store(h_im + at, im);
        }
      });
}

// With m the conjugate of lambda, s the state and G its gradient (in f32, whatever is stored): G(t) = dh(t) +
// conj(m) G(t+1); x's gradient is conj(G), and m's the sum of G(t) conj(s(t-1)).
template <typename T, typename Device>
void diagonal_scan_grad_typed(const KernelArgs& args, Device& device) {
  const int64_t channels = args.op.in(0).shape[1], sequences = args.op.in(6).shape[0] - 1;
  const T* const dh_re = args.in<T>(0);
  const T* const dh_im = args.in<T>(1);
  const T* const h_re = args.in<T>(2);
  const T* const h_im = args.in<T>(3);
  const float* const nu_log = args.in<float>(4);
  const float* const theta_log = args.in<float>(5);
  const int32_t* const cu_seqlens = args.in<int32_t>(6);
  T* const dx_re = args.out<T>(0);
  T* const dx_im = args.out<T>(1);
  auto* const dm_re = static_cast<double*>(args.workspace);  // of each lane
  auto* const dm_im = dm_re + sequences * channels;
  device.each(
      sequences * channels, TIDEMARK_BODY(int64_t lane) {
        const int64_t sequence = lane / channels, channel = lane % channels;
        const int64_t begin = cu_seqlens[sequence];
        const DiagonalDecay decay(nu_log[channel], theta_log[channel]);
        float re = 0, im = 0;
        double sum_re = 0, sum_im = 0;
        for (int64_t row = cu_seqlens[sequence + 1]; row-- > begin;) {
          const int64_t at = row * channels + channel;
          const float r = device::to_float(dh_re[at]) + re, m = device::to_float(dh_im[at]) + im;
          device::store(dx_re + at, r);
          device::store(dx_im + at, -m);
          if (row == begin) break;
          const float before_r = device::to_float(h_re[at - channels]);
          const float before_m = device::to_float(h_im[at - channels]);
          sum_re += static_cast<double>(fmaf(r, before_r, m * before_m));
          sum_im += static_cast<double>(fmaf(m, before_r, -r * before_m));
          re = fmaf(decay.re, r, decay.im * m);
          im = fmaf(decay.re, m, -(decay.im * r));
        }
        dm_re[lane] = sum_re;
        dm_im[lane] = sum_im;
      });

  float* const dnu_log = args.out<float>(2);
  float* const dtheta_log = args.out<float>(3);
  device.each(
      channels, TIDEMARK_BODY(int64_t channel) {
        double d_re = 0, d_im = 0;
        for (int64_t lane = channel; lane < sequences * channels; lane += channels) {
          d_re += dm_re[lane];
          d_im += dm_im[lane];
        }
        const DiagonalDecay decay(nu_log[channel], theta_log[channel]);
        const auto a = static_cast<double>(decay.re), b = static_cast<double>(decay.im);
        const double rate = exp(static_cast<double>(nu_log[channel]));
        const double phase = exp(static_cast<double>(theta_log[channel]));
        dnu_log[channel] = static_cast<float>(-rate * (d_re * a + d_im * b));
        dtheta_log[channel] = static_cast<float>(phase * (d_re * b - d_im * a));
      });
}

template <typename Device>
void diagonal_scan_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), diagonal_scan_typed, args, device);
}
template <typename Device>
void diagonal_scan_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), diagonal_scan_grad_typed, args, device);
}

}  // namespace tidemark::ops
