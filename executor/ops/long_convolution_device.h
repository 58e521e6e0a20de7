// The long convolution on a device, by Fourier transforms as on the CPU (long_convolution.h says how): a
// block has a channel. Of powers of two points, in place: forwards from natural order to that of reversed
// bits, and backwards from there, so that nothing is ever put in order (Gentleman & Sande 1966, Cooley &
// Tukey 1965).
#pragma once

#include <bit>

#include "executor/ops/device_operands.h"
#include "graph/cuda_scan_workspace.h"

namespace tidemark::ops {

struct FloatPair {
  float re, im;
};
TIDEMARK_HOST_DEVICE inline FloatPair operator+(FloatPair a, FloatPair b) {
  return {a.re + b.re, a.im + b.im};
}
TIDEMARK_HOST_DEVICE inline FloatPair operator-(FloatPair a, FloatPair b) {
  return {a.re - b.re, a.im - b.im};
}
TIDEMARK_HOST_DEVICE inline FloatPair operator*(FloatPair a, FloatPair b) {
  return {fmaf(a.re, b.re, -a.im * b.im), fmaf(a.re, b.im, a.im * b.re)};
}
TIDEMARK_HOST_DEVICE inline FloatPair conjugate(FloatPair a) {
  return {a.re, -a.im};
}

/// The sum over t of x(t) exp(-2 pi i t k / points), k in the order of reversed bits.
template <typename Group>
TIDEMARK_DEVICE void transform_forward(Group& group, int64_t points, const FloatPair* roots, FloatPair* x) {
  for (int64_t half = points / 2; half > 0; half /= 2)
    group.each(points / 2, [&](int64_t i) {
      const int64_t k = i & (half - 1), at = 2 * i - k;
      const FloatPair a = x[at], b = x[at + half];
      x[at] = a + b;
      x[at + half] = (a - b) * roots[k * (points / 2 / half)];
    });
}
/// From there back, times `points`.
template <typename Group>
TIDEMARK_DEVICE void transform_backward(Group& group, int64_t points, const FloatPair* roots, FloatPair* x) {
  for (int64_t half = 1; half < points; half *= 2)
    group.each(points / 2, [&](int64_t i) {
      const int64_t k = i & (half - 1), at = 2 * i - k;
      const FloatPair a = x[at], b = x[at + half] * conjugate(roots[k * (points / 2 / half)]);
      x[at] = a + b;
      x[at + half] = a - b;
    });
}

template <typename T>
struct DeviceConvolution {
  int64_t channels = 0, length = 0, points = 0, sequences = 0;
  const T* u = nullptr;
  const float* kernel = nullptr;
  const int32_t* cu_seqlens = nullptr;
  FloatPair* roots = nullptr;    ///< exp(-2 pi i k / points), the first half
  FloatPair* weights = nullptr;  ///< exp(pi i n / (2 points))
  FloatPair* spectra = nullptr;  ///< of each channel `spectra_each`, of so many points
  int64_t spectra_each = 0;

  /// Bytes of a transform in shared memory, where it fits there.
  int64_t shared_bytes() const {
    const int64_t bytes = points * static_cast<int64_t>(sizeof(FloatPair));
    return bytes <= cuda::kSharedTransformBytes ? bytes : 0;
  }
  int lanes() const { return static_cast<int>(std::clamp<int64_t>(points / 4, 32, 512)); }
};

/// u, kernel and cu_seqlens are inputs `first` and the following.
template <typename T, typename Device>
DeviceConvolution<T> device_convolution(const KernelArgs& args, Device& device, int first, bool gradient) {
  DeviceConvolution<T> c;
  c.channels = args.op.in(first).shape[1];
  c.length = args.op.in(first + 1).shape[1];
  c.sequences = args.op.in(first + 2).shape[0] - 1;
  c.u = args.in<T>(first);
  c.kernel = args.in<float>(first + 1);
  c.cu_seqlens = args.in<int32_t>(first + 2);
  c.points = cuda::transform_points(c.length);
  c.roots = static_cast<FloatPair*>(args.workspace);
  c.weights = c.roots + c.points;
  c.spectra = c.weights + c.points;
  c.spectra_each = cuda::convolution_spectra(gradient);
  device.each(
      c.points, TIDEMARK_BODY(int64_t k) {
        constexpr double kPi = 3.14159265358979323846;
        const double turn = static_cast<double>(k) / static_cast<double>(c.points) * kPi;
        c.roots[k] = {static_cast<float>(cos(2 * turn)), static_cast<float>(-sin(2 * turn))};
        c.weights[k] = {static_cast<float>(cos(turn / 2)), static_cast<float>(sin(turn / 2))};
      });
  return c;
}

/// The spectrum of what value(n) gives for n < count, in `x`.
template <typename T, typename Group, typename Value>
TIDEMARK_DEVICE void weigh_and_transform(Group& group, const DeviceConvolution<T>& c, FloatPair* x,
                                         const Value& value) {
  group.each(c.points, [&](int64_t n) {
    const float v = value(n);
    x[n] = {v * c.weights[n].re, v * c.weights[n].im};
  });
  transform_forward(group, c.points, c.roots, x);
}
/// What stands at `place` after the inverse.
TIDEMARK_HOST_DEVICE inline float unweighed(FloatPair x, FloatPair weight) {
  return fmaf(x.im, weight.im, x.re * weight.re);
}

/// The kernel's spectrum over the number of points, which undoes what a transform and its inverse add.
template <typename T, typename Group>
TIDEMARK_DEVICE void transform_kernel(Group& group, const DeviceConvolution<T>& c, int64_t channel,
                                      FloatPair* work, FloatPair* to) {
  const float scale = 1.0f / static_cast<float>(c.points);
  weigh_and_transform(group, c, work, [&](int64_t n) {
    return n < c.length ? scale * c.kernel[channel * c.length + n] : 0.0f;
  });
  group.each(c.points, [&](int64_t n) { to[n] = work[n]; });
}

template <typename T, typename Device>
void long_convolution_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceConvolution<T> c = device_convolution<T>(args, device, 0, false);
  const int64_t shared = c.shared_bytes();
  T* const y = args.out<T>(0);
  device.launch(
      c.channels, c.lanes(), shared, TIDEMARK_BODY(Group & group, int64_t channel) {
        FloatPair* const kernel = c.spectra + channel * c.spectra_each * c.points;
        FloatPair* const x = shared > 0 ? group.template shared<FloatPair>() : kernel + c.points;
        transform_kernel(group, c, channel, x, kernel);
        for (int64_t s = 0; s < c.sequences; ++s) {
          const int64_t begin = c.cu_seqlens[s],
                        rows = device::smaller(c.length, c.cu_seqlens[s + 1] - begin);
          if (rows == 0) continue;
          weigh_and_transform(group, c, x, [&](int64_t n) {
            return n < rows ? device::to_float(c.u[(begin + n) * c.channels + channel]) : 0.0f;
          });
          group.each(c.points, [&](int64_t n) { x[n] = x[n] * kernel[n]; });
          transform_backward(group, c.points, c.roots, x);
          group.each(rows, [&](int64_t n) {
            device::store(y + (begin + n) * c.channels + channel, unweighed(x[n], c.weights[n]));
          });
        }
      });
}

// With dy reversed in time, so that its first row comes at length - 1: du reversed is its product with the
// kernel, and dkernel reversed, summed over the sequences, that with u.
template <typename T, typename Device>
void long_convolution_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceConvolution<T> c = device_convolution<T>(args, device, 1, true);
  const int64_t shared = c.shared_bytes();
  const T* const dy = args.in<T>(0);
  const T* const start = args.op.has_in(4) ? args.in<T>(4) : nullptr;
  T* const du = args.out<T>(0);
  float* const dkernel = args.out<float>(1);
  device.launch(
      c.channels, c.lanes(), shared, TIDEMARK_BODY(Group & group, int64_t channel) {
        FloatPair* const kernel = c.spectra + channel * c.spectra_each * c.points;
        FloatPair* const input = kernel + c.points;
        FloatPair* const products = input + c.points;
        FloatPair* const x = shared > 0 ? group.template shared<FloatPair>() : products + c.points;
        transform_kernel(group, c, channel, x, kernel);
        group.each(c.points, [&](int64_t n) { products[n] = {0, 0}; });
        for (int64_t s = 0; s < c.sequences; ++s) {
          const int64_t begin = c.cu_seqlens[s],
                        rows = device::smaller(c.length, c.cu_seqlens[s + 1] - begin);
          if (rows == 0) continue;
          const auto at = [&](int64_t row) { return (begin + row) * c.channels + channel; };
          weigh_and_transform(group, c, x,
                              [&](int64_t n) { return n < rows ? device::to_float(c.u[at(n)]) : 0.0f; });
          group.each(c.points, [&](int64_t n) { input[n] = x[n]; });
          weigh_and_transform(group, c, x, [&](int64_t n) {
            const int64_t row = c.length - 1 - n;
            return row >= 0 && row < rows ? device::to_float(dy[at(row)]) : 0.0f;
          });
          group.each(c.points, [&](int64_t n) {
            products[n] = products[n] + x[n] * input[n];
            x[n] = x[n] * kernel[n];
          });
          transform_backward(group, c.points, c.roots, x);
          group.each(rows, [&](int64_t row) {
            const int64_t n = c.length - 1 - row;
            const float value = unweighed(x[n], c.weights[n]);
            device::store(du + at(row), start ? device::to_float(start[at(row)]) + value : value);
          });
        }
        transform_backward(group, c.points, c.roots, products);
        group.each(c.length, [&](int64_t l) {
          const int64_t n = c.length - 1 - l;
          dkernel[channel * c.length + l] =
              unweighed(products[n], c.weights[n]) / static_cast<float>(c.points);
        });
      });
}

template <typename Device>
void long_convolution_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), long_convolution_typed, args, device);
}
template <typename Device>
void long_convolution_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), long_convolution_grad_typed, args, device);
}

}  // namespace tidemark::ops
