// Complex fast Fourier transforms of several channels side by side (Cooley & Tukey 1965; Gentleman & Sande
// 1966): the vectors hold channels, so that there is no shuffling, and results are in bit-reversed order,
// which a product of spectra and the way back do not mind.
#pragma once

#include "executor/cpu/simd.h"

namespace tidemark::cpu::TIDEMARK_ISA_NS {

struct Complex {
  Vec re, im;
};
inline Complex operator+(Complex a, Complex b) {
  return {a.re + b.re, a.im + b.im};
}
inline Complex operator-(Complex a, Complex b) {
  return {a.re - b.re, a.im - b.im};
}
inline Complex times(Complex a, Complex b) {
  return {fnma(a.im, b.im, a.re * b.re), fma(a.re, b.im, a.im * b.re)};
}
inline Complex times_conjugate(Complex a, Complex b) {
  return {fma(a.im, b.im, a.re * b.re), fnma(a.re, b.im, a.im * b.re)};
}
inline Complex times_i(Complex a) {
  return {-a.im, a.re};
}

/// Points [points, 2, kChannels] and exp(-2 pi i k / points) as pairs.
template <int64_t kChannels>
class Fft {
 public:
  Fft(int64_t points, const float* roots) : points_(points), roots_(roots) {}

  void forward(float* data) const {
    int64_t span = points_;
    for (; span >= 4; span /= 4) each_four(span, data, forward_four);
    if (span == 2) each_pair(data);
  }
  /// Times `points`.
  void backward(float* data) const {
    int64_t span = points_;
    while (span >= 4) span /= 4;
    if (span == 2) each_pair(data);
    for (span *= 4; span <= points_; span *= 4) each_four(span, data, backward_four);
  }

 private:
  static Complex load_point(const float* p) { return {load(p), load(p + kChannels)}; }
  static void store_point(float* p, Complex c) {
    store(p, c.re);
    store(p + kChannels, c.im);
  }
  static Complex root(const float* at) { return {broadcast(at[0]), broadcast(at[1])}; }

  /// Two levels of butterflies at once, over blocks of `span` points.
  template <typename Four>
  void each_four(int64_t span, float* data, Four four) const {
    const int64_t quarter = span / 4 * 2 * kChannels, step = points_ / span;
    for (int64_t begin = 0; begin < points_; begin += span)
      for (int64_t k = 0; k < span / 4; ++k) {
        const Complex w1 = root(roots_ + 2 * k * step), w2 = root(roots_ + 4 * k * step),
                      w3 = root(roots_ + 6 * k * step);
        float* const at = data + (begin + k) * 2 * kChannels;
        for (int64_t i = 0; i < kChannels; i += kLanes) four(at + i, quarter, w1, w2, w3);
      }
  }
  static void forward_four(float* at, int64_t quarter, Complex w1, Complex w2, Complex w3) {
    const Complex z0 = load_point(at), z1 = load_point(at + quarter), z2 = load_point(at + 2 * quarter),
                  z3 = load_point(at + 3 * quarter);
    const Complex even = z0 + z2, odd = z1 + z3, d = z0 - z2, e = times_i(z3 - z1);
    store_point(at, even + odd);
    store_point(at + quarter, times(even - odd, w2));
    store_point(at + 2 * quarter, times(d + e, w1));
    store_point(at + 3 * quarter, times(d - e, w3));
  }
  static void backward_four(float* at, int64_t quarter, Complex w1, Complex w2, Complex w3) {
    const Complex y0 = load_point(at), y1 = times_conjugate(load_point(at + quarter), w2);
    const Complex y2 = times_conjugate(load_point(at + 2 * quarter), w1);
    const Complex y3 = times_conjugate(load_point(at + 3 * quarter), w3);
    const Complex even = y0 + y1, odd = y0 - y1, d = y2 + y3, e = times_i(y2 - y3);
    store_point(at, even + d);
    store_point(at + quarter, odd + e);
    store_point(at + 2 * quarter, even - d);
    store_point(at + 3 * quarter, odd - e);
  }
  void each_pair(float* data) const {
    for (int64_t k = 0; k < points_; k += 2)
      for (int64_t i = 0; i < kChannels; i += kLanes) {
        float* const at = data + k * 2 * kChannels + i;
        const Complex a = load_point(at), b = load_point(at + 2 * kChannels);
        store_point(at, a + b);
        store_point(at + 2 * kChannels, a - b);
      }
  }

  int64_t points_;
  const float* roots_;
};

}  // namespace tidemark::cpu::TIDEMARK_ISA_NS
