// exp, exp2, tanh, erf, sine, cosine, the logistic function and softplus on vectors, to within about 2 ulp;
// branch-free. Polynomials are those of Cephes (Moshier 1989) where nothing else is said. NaN gives NaN.
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

/// 2^r, |r| <= 1/2: a fit of least maximal error, 2e-9.
inline Vec exp2_fraction(Vec r) {
  Vec p = broadcast(1.535336188319500e-4f);
  p = fma(p, r, broadcast(1.339887440266574e-3f));
  p = fma(p, r, broadcast(9.618437357674640e-3f));
  p = fma(p, r, broadcast(5.550332471162809e-2f));
  p = fma(p, r, broadcast(2.402264791363012e-1f));
  p = fma(p, r, broadcast(6.931472028550421e-1f));
  return fma(p, r, broadcast(1.0f));
}

/// 2^x for x < 128; 0 below -160.
inline Vec exp2(Vec x) {
  x = max(broadcast(-160.0f), x);
  const Vec n = round_even(x);
  return times_power_of_two(exp2_fraction(x - n), n);
}

/// 2^x for x <= 0, without gradual underflow: 0 below -126.
inline Vec exp2_of_negative(Vec x) {
  const Vec n = round_even(x);
  return select_less(x, broadcast(-126.0f), zero(), times_normal_power_of_two(exp2_fraction(x - n), n));
}
inline constexpr float kLog2E = 1.44269504088896341f;
inline constexpr float kLn2 = 0.693147180559945309f;

inline Vec sigmoid(Vec x) {
  return broadcast(1.0f) / (broadcast(1.0f) + exp(-x));
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

/// The sine and cosine of an angle within an eighth of a turn on either side of zero.
inline Vec sin_of_eighth(Vec x) {
  const Vec z = x * x;
  Vec p = broadcast(-1.9515295891e-4f);
  p = fma(p, z, broadcast(8.3321608736e-3f));
  p = fma(p, z, broadcast(-1.6666654611e-1f));
  return fma(p * z, x, x);
}
inline Vec cos_of_eighth(Vec x) {
  const Vec z = x * x;
  Vec p = broadcast(2.443315711809948e-5f);
  p = fma(p, z, broadcast(-1.388731625493765e-3f));
  p = fma(p, z, broadcast(4.166664568298827e-2f));
  return fma(p, z * z, fnma(broadcast(0.5f), z, broadcast(1.0f)));
}

/// log(1 + e^x) = max(x, 0) + log(1 + y), y = e^-|x|; log(1 + y) = 2 artanh(y / (2 + y)) by its series.
inline Vec softplus(Vec x) {
  const Vec y = exp(-abs(x));
  const Vec s = y / (y + broadcast(2.0f));
  const Vec z = s * s;
  Vec p = broadcast(1.0f / 13);
  p = fma(p, z, broadcast(1.0f / 11));
  p = fma(p, z, broadcast(1.0f / 9));
  p = fma(p, z, broadcast(1.0f / 7));
  p = fma(p, z, broadcast(1.0f / 5));
  p = fma(p, z, broadcast(1.0f / 3));
  p = fma(p * z, s, s);
  return max(zero(), x) + (p + p);
}

/// The error function, to within 1.5e-7: x P(x^2) near zero, else 1 - e^-Q(|x|); P and Q are least-squares
/// fits at Chebyshev nodes.
inline Vec erf(Vec x) {
  const Vec a = min(broadcast(4.0f), abs(x));
  const Vec z = x * x;
  Vec p = broadcast(7.88249710e-5f);
  p = fma(p, z, broadcast(-8.01885499e-4f));
  p = fma(p, z, broadcast(5.18931194e-3f));
  p = fma(p, z, broadcast(-2.68543288e-2f));
  p = fma(p, z, broadcast(1.12835975e-1f));
  p = fma(p, z, broadcast(-3.76126269e-1f));
  p = fma(p, z, broadcast(1.12837917f));
  Vec q = broadcast(2.03873133e-5f);
  q = fma(q, a, broadcast(-4.25445066e-4f));
  q = fma(q, a, broadcast(4.12343222e-3f));
  q = fma(q, a, broadcast(-2.49840190e-2f));
  q = fma(q, a, broadcast(1.08056002e-1f));
  q = fma(q, a, broadcast(6.33563103e-1f));
  q = fma(q, a, broadcast(1.12940217f));
  q = fma(q, a, broadcast(-1.50117275e-4f));
  const Vec far = broadcast(1.0f) - exp(-q);
  return select_less(a, broadcast(1.0f), p * x, with_sign_of(far, x));
}

}  // namespace tidemark::cpu::TIDEMARK_ISA_NS
