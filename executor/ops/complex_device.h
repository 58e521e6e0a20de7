// Complex numbers in double for device kernels, which std::complex is not for.
#pragma once

#include "executor/device/group.h"

namespace tidemark::device {

struct Complex {
  double re = 0, im = 0;

  TIDEMARK_HOST_DEVICE Complex& operator+=(Complex x) {
    re += x.re;
    im += x.im;
    return *this;
  }
  TIDEMARK_HOST_DEVICE Complex& operator-=(Complex x) {
    re -= x.re;
    im -= x.im;
    return *this;
  }
};

TIDEMARK_HOST_DEVICE inline Complex operator+(Complex a, Complex b) {
  return {a.re + b.re, a.im + b.im};
}
TIDEMARK_HOST_DEVICE inline Complex operator-(Complex a, Complex b) {
  return {a.re - b.re, a.im - b.im};
}
TIDEMARK_HOST_DEVICE inline Complex operator*(Complex a, Complex b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
TIDEMARK_HOST_DEVICE inline Complex operator*(double a, Complex b) {
  return {a * b.re, a * b.im};
}
TIDEMARK_HOST_DEVICE inline Complex conjugate(Complex a) {
  return {a.re, -a.im};
}
TIDEMARK_HOST_DEVICE inline double squared_norm(Complex a) {
  return a.re * a.re + a.im * a.im;
}
TIDEMARK_HOST_DEVICE inline Complex inverse(Complex a) {
  return 1 / squared_norm(a) * conjugate(a);
}
TIDEMARK_HOST_DEVICE inline Complex exponential(Complex a) {
  const double size = exp(a.re);
  return {size * cos(a.im), size * sin(a.im)};
}
/// Re(conjugate(a) b).
TIDEMARK_HOST_DEVICE inline double inner(Complex a, Complex b) {
  return a.re * b.re + a.im * b.im;
}

}  // namespace tidemark::device
