#include "models/hippo.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using Complex = std::complex<double>;

/// x after the time 1 of x' = A x + B u(t), by the classical Runge-Kutta rule.
std::vector<double> integrate(const LinearSystem& s, double time, double (*u)(double), int steps) {
  const auto n = static_cast<size_t>(s.states);
  std::vector<double> x(n);
  const auto slope = [&](const std::vector<double>& at, double t) {
    std::vector<double> d(n);
    for (size_t i = 0; i < n; ++i) {
      d[i] = s.b[i] * u(t);
      for (size_t j = 0; j < n; ++j) d[i] += s.a[i * n + j] * at[j];
    }
    return d;
  };
  const double h = time / steps;
  for (int k = 0; k < steps; ++k) {
    const double t = k * h;
    const auto moved = [&](const std::vector<double>& d, double by) {
      std::vector<double> y(x);
      for (size_t i = 0; i < n; ++i) y[i] += by * d[i];
      return y;
    };
    const auto k1 = slope(x, t), k2 = slope(moved(k1, h / 2), t + h / 2),
               k3 = slope(moved(k2, h / 2), t + h / 2), k4 = slope(moved(k3, h), t + h);
    for (size_t i = 0; i < n; ++i) x[i] += h / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
  }
  return x;
}

double wave(double t) {
  return std::sin(3 * t) + 0.5;
}

// The state holds the coefficients of the last unit of time in the orthonormal basis of the window.
TEST(Hippo, LegTRemembersAWindow) {
  const double end = 2.5;
  const std::vector<double> x = integrate(hippo(HippoMeasure::legt, 16), end, wave, 20000);
  for (double ago = 0.1; ago < 1; ago += 0.1) {
    // sqrt(2n+1) P_n(1 - 2 ago), by the recurrence of Legendre's polynomials.
    const double y = 1 - 2 * ago;
    double before = 1, now = y, value = x[0] + std::sqrt(3) * x[1] * y;
    for (size_t n = 2; n < x.size(); ++n) {
      const auto k = static_cast<double>(n);
      const double next = ((2 * k - 1) * y * now - (k - 1) * before) / k;
      before = now;
      now = next;
      value += std::sqrt(2 * k + 1) * x[n] * next;
    }
    EXPECT_NEAR(value, wave(end - ago), 2e-3) << ago;
  }
}

// Of a constant signal every measure keeps the constant alone.
TEST(Hippo, ConstantsRest) {
  const auto one = [](double) { return 1.0; };
  const std::vector<double> legs = integrate(hippo(HippoMeasure::legs, 6), 40, one, 40000);
  EXPECT_NEAR(legs[0], 1, 1e-6);
  for (size_t n = 1; n < legs.size(); ++n) EXPECT_NEAR(legs[n], 0, 1e-6);
  const std::vector<double> fout = integrate(hippo(HippoMeasure::fout, 6), 20, one, 20000);
  EXPECT_NEAR(fout[0], 1, 1e-6);
  for (size_t n = 1; n < fout.size(); ++n) EXPECT_NEAR(fout[n], 0, 1e-6);
  const std::vector<double> lagt = integrate(hippo(HippoMeasure::lagt, 4), 60, one, 60000);
  for (size_t n = 0; n < lagt.size(); ++n) EXPECT_NEAR(lagt[n], n % 2 == 0 ? 2 : -2, 1e-6);
}

// What the diagonal plus rank-one form does to a signal, the matrix does: B^T A^k B.
TEST(Hippo, DiagonalPlusRankOneIsTheSameSystem) {
  for (const HippoMeasure measure : {HippoMeasure::legs, HippoMeasure::lagt}) {
    constexpr int64_t kStates = 64;
    const LinearSystem s = hippo(measure, kStates);
    const NormalPlusLowRank f = hippo_nplr(measure, kStates);
    std::vector<double> x = s.b;
    std::vector<Complex> z = f.b;
    for (int power = 0; power < 5; ++power) {
      double dense = 0, factored = 0, sensed = 0;
      for (size_t i = 0; i < x.size(); ++i) dense += s.b[i] * x[i];
      for (size_t i = 0; i < z.size(); ++i) factored += 2 * (std::conj(f.b[i]) * z[i]).real();
      EXPECT_NEAR(factored / dense, 1, 1e-9) << power;
      std::vector<double> next(x.size());
      for (size_t i = 0; i < x.size(); ++i)
        for (size_t j = 0; j < x.size(); ++j) next[i] += s.a[i * x.size() + j] * x[j];
      x = next;
      for (size_t i = 0; i < z.size(); ++i) sensed += 2 * (std::conj(f.p[i]) * z[i]).real();
      for (size_t i = 0; i < z.size(); ++i) z[i] = f.a[i] * z[i] - f.p[i] * sensed;
    }
    for (const Complex& a : f.a) EXPECT_NEAR(a.real(), measure == HippoMeasure::legs ? -0.5 : 0, 1e-12);
    EXPECT_GE(f.a[0].imag(), 0);
  }
}

TEST(Hippo, SaysWhatItCannotMake) {
  EXPECT_EQ(hippo_measure("lagt", "config"), HippoMeasure::lagt);
  EXPECT_THAT(message_of<Error>([] { hippo_measure("leg", "config"); }),
              ::testing::HasSubstr("give one of: legs, legt, lagt, fout"));
  EXPECT_THROW(hippo(HippoMeasure::legs, 0), Error);
  EXPECT_THROW(hippo(HippoMeasure::fout, 3), Error);
  EXPECT_THROW(hippo_nplr(HippoMeasure::legt, 8), Error);
  EXPECT_THROW(hippo_nplr(HippoMeasure::fout, 8), Error);
  EXPECT_THROW(hippo_nplr(HippoMeasure::legs, 7), Error);
}

}  // namespace
}  // namespace tidemark
