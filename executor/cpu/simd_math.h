// exp, tanh, the logistic function and softplus on vectors, to within about 2 ulp; branch-free.
// Polynomials are those of Cephes (Moshier 1989) where nothing else is said. NaN gives NaN.
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

/// 2^x for x <= 0, half as dear as exp; 0 below -126. The polynomial is a least-maximum fit to 2^r,
/// |r| <= 1/2, to 2e-9.
inline Vec exp2_of_negative(Vec x) {
  const Vec n = round_even(x);
  const Vec r = x - n;
  Vec p = broadcast(1.5353360504e-4f);
  p = fma(p, r, broadcast(1.3398875017e-3f));
  p = fma(p, r, broadcast(9.6184369177e-3f));
  p = fma(p, r, broadcast(5.5503323674e-2f));
  p = fma(p, r, broadcast(2.4022647738e-1f));
  p = fma(p, r, broadcast(6.9314718246e-1f));
  p = fma(p, r, broadcast(1.0f));
  return select_less(x, broadcast(-126.0f), zero(), times_normal_power_of_two(p, n));
}
inline constexpr float kLog2E = 1.44269504088896341f;
inline constexpr float kLn2 = 0.693147180559945309f;

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

}  // namespace tidemark::cpu::TIDEMARK_ISA_NS
