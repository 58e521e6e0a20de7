// exp, exp2, tanh, softplus and the logistic function on vectors, to within about 2 ulp; branch-free.
// Polynomials are those of Cephes (Moshier 1989). NaN gives NaN.
#pragma once

#include "executor/cpu/simd.h"

namespace tidemark::cpu::TIDEMARK_ISA_NS {

/// e^x; 0 below -104 (gradual underflow before), infinity above 88.7.
inline Vec exp(Vec x) {
  x = min(broadcast(89.0f), max(broadcast(-104.0f), x));
  const Vec n = round_even(x * broadcast(1.44269504088896341f));
  Vec r = fnma(n, broadcast(0.693359375f), x);
  r = fnma(n, broadcast(-2.12194440e-4f), r);
  Vec p = broadcast(1.9875691500e-4f);
  p = fma(p, r, broadcast(1.3981999507e-3f));
  p = fma(p, r, broadcast(8.3334519073e-3f));
  p = fma(p, r, broadcast(4.1665795894e-2f));
  p = fma(p, r, broadcast(1.6666665459e-1f));
  p = fma(p, r, broadcast(5.0000001201e-1f));
  p = fma(p, r * r, r) + broadcast(1.0f);
  return times_power_of_two(p, n);
}

/// 2^x for x < 128; 0 below -160.
inline Vec exp2(Vec x) {
  x = max(broadcast(-160.0f), x);
  const Vec n = round_even(x);
  const Vec r = x - n;
  Vec p = broadcast(1.535336188319500e-4f);
  p = fma(p, r, broadcast(1.339887440266574e-3f));
  p = fma(p, r, broadcast(9.618437357674640e-3f));
  p = fma(p, r, broadcast(5.550332471162809e-2f));
  p = fma(p, r, broadcast(2.402264791363012e-1f));
  p = fma(p, r, broadcast(6.931472028550421e-1f));
  p = fma(p, r, broadcast(1.0f));
  return times_power_of_two(p, n);
}

inline Vec sigmoid(Vec x) {
  return broadcast(1.0f) / (broadcast(1.0f) + exp(-x));
}

/// log(1 + e^x). With e = e^-|x| in (0, 1], log(1 + e) = 2 artanh(s), s = e / (2 + e) <= 1/3, whose series
/// is exact to rounding however small e is.
inline Vec softplus(Vec x) {
  const Vec e = exp(-abs(x));
  const Vec s = e / (broadcast(2.0f) + e);
  const Vec z = s * s;
  Vec p = broadcast(1 / 15.0f);
  p = fma(p, z, broadcast(1 / 13.0f));
  p = fma(p, z, broadcast(1 / 11.0f));
  p = fma(p, z, broadcast(1 / 9.0f));
  p = fma(p, z, broadcast(1 / 7.0f));
  p = fma(p, z, broadcast(1 / 5.0f));
  p = fma(p, z, broadcast(1 / 3.0f));
  p = fma(p, z, broadcast(1.0f));
  return fma(s + s, p, max(zero(), x));
}

inline Vec tanh(Vec x) {
  const Vec a = abs(x);
  const Vec z = x * x;
  Vec p = broadcast(-5.70498872745e-3f);
  p = fma(p, z, broadcast(2.06390887954e-2f));
  p = fma(p, z, broadcast(-5.37397155531e-2f));
  p = fma(p, z, broadcast(1.33314422036e-1f));
  p = fma(p, z, broadcast(-3.33332819422e-1f));
  const Vec near_zero = fma(p * z, x, x);
  const Vec far = broadcast(1.0f) - broadcast(2.0f) / (exp(a + a) + broadcast(1.0f));
  return select_less(a, broadcast(0.625f), near_zero, with_sign_of(far, x));
}

}  // namespace tidemark::cpu::TIDEMARK_ISA_NS
