// Diagonal scan, row scales, kernels of state-space models and long convolutions against float64.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>

#include "base/error.h"
#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

using Complex = std::complex<double>;

struct Rows {
  int64_t rows, channels;
  std::vector<int32_t> cu_seqlens;
  DType dtype = DType::f32;

  size_t at(int64_t t, int64_t i) const { return static_cast<size_t>(t * channels + i); }
  bool begins(int64_t t) const {
    return std::find(cu_seqlens.begin(), cu_seqlens.end(), t) != cu_seqlens.end();
  }
  Values ramp(double from, double to) const {
    Values v;
    for (int64_t i = 0; i < channels; ++i)
      v.push_back(from + (to - from) * static_cast<double>(i) / static_cast<double>(channels));
    return v;
  }
};

class LinearRecurrence : public ::testing::TestWithParam<Rows> {};
INSTANTIATE_TEST_SUITE_P(Problems, LinearRecurrence,
                         ::testing::Values(Rows{1, 1, {0, 1}}, Rows{5, 3, {0, 5, 5}},
                                           Rows{70, 33, {0, 3, 3, 17, 64, 70}}, Rows{130, 64, {0, 130}},
                                           Rows{129, 70, {0, 60, 129}, DType::bf16}));

/// lambda's conjugate per channel.
std::vector<Complex> decays(const Values& nu_log, const Values& theta_log) {
  std::vector<Complex> m;
  for (size_t i = 0; i < nu_log.size(); ++i)
    m.push_back(std::exp(Complex(-std::exp(nu_log[i]), -std::exp(theta_log[i]))));
  return m;
}

TEST_P(LinearRecurrence, DiagonalScan) {
  const Rows& p = GetParam();
  OpCase op("diagonal_scan", {}, p.dtype);
  op.random({p.rows, p.channels}).random({p.rows, p.channels});
  op.f32({p.channels}, p.ramp(-5, 0)).f32({p.channels}, p.ramp(-3, 1)).ints(p.cu_seqlens);
  const std::vector<Complex> m = decays(op.inputs()[2], op.inputs()[3]);
  Values re, im;
  std::vector<Complex> h(m.size());
  for (int64_t t = 0; t < p.rows; ++t)
    for (int64_t i = 0; i < p.channels; ++i) {
      Complex& state = h[static_cast<size_t>(i)];
      state = (p.begins(t) ? 0 : m[static_cast<size_t>(i)] * state) +
              Complex(op.inputs()[0][p.at(t, i)], -op.inputs()[1][p.at(t, i)]);
      re.push_back(state.real());
      im.push_back(state.imag());
    }
  op.check({re, im});
}

TEST_P(LinearRecurrence, DiagonalScanGradient) {
  const Rows& p = GetParam();
  OpCase op("diagonal_scan_grad", {}, p.dtype);
  for (int i = 0; i < 4; ++i) op.random({p.rows, p.channels});
  op.f32({p.channels}, p.ramp(-5, 0)).f32({p.channels}, p.ramp(-3, 1)).ints(p.cu_seqlens);
  const std::vector<Complex> m = decays(op.inputs()[4], op.inputs()[5]);
  const auto complex = [&](int re, size_t at) {
    return Complex(op.inputs()[static_cast<size_t>(re)][at], op.inputs()[static_cast<size_t>(re + 1)][at]);
  };
  Values dx_re(static_cast<size_t>(p.rows * p.channels)), dx_im(dx_re), dnu, dtheta;
  for (int64_t i = 0; i < p.channels; ++i) {
    const auto channel = static_cast<size_t>(i);
    Complex g = 0, dm = 0;
    for (int64_t t = p.rows; t-- > 0;) {
      g += complex(0, p.at(t, i));
      dx_re[p.at(t, i)] = g.real();
      dx_im[p.at(t, i)] = -g.imag();
      if (!p.begins(t)) dm += g * std::conj(complex(2, p.at(t - 1, i)));
      g = p.begins(t) ? 0 : g * std::conj(m[channel]);
    }
    const double nu = std::exp(op.inputs()[4][channel]), theta = std::exp(op.inputs()[5][channel]);
    dnu.push_back((std::conj(dm) * -nu * m[channel]).real());
    dtheta.push_back((std::conj(dm) * Complex(0, -theta) * m[channel]).real());
  }
  op.check({dx_re, dx_im, dnu, dtheta}, p.dtype == DType::bf16 ? 8e-3 : 2e-5);
}

TEST_P(LinearRecurrence, ScaleRowsAndItsGradient) {
  const Rows& p = GetParam();
  OpCase op("scale_rows", {}, p.dtype);
  Values scales;
  for (int64_t t = 0; t < p.rows; ++t) scales.push_back(std::sin(static_cast<double>(t)));
  op.random({p.rows, p.channels}).f32({p.rows}, scales);
  Values y(op.inputs()[0]);
  for (int64_t t = 0; t < p.rows; ++t)
    for (int64_t i = 0; i < p.channels; ++i)
      y[p.at(t, i)] *= std::exp(op.inputs()[1][static_cast<size_t>(t)]);
  op.check({y});

  OpCase grad("scale_rows_grad", {}, p.dtype);
  grad.random({p.rows, p.channels}).random({p.rows, p.channels}).f32({p.rows}, scales);
  Values dweight(grad.inputs()[0]), dscale(scales.size());
  for (int64_t t = 0; t < p.rows; ++t) {
    const double factor = std::exp(grad.inputs()[2][static_cast<size_t>(t)]);
    for (int64_t i = 0; i < p.channels; ++i) {
      dscale[static_cast<size_t>(t)] += dweight[p.at(t, i)] * grad.inputs()[1][p.at(t, i)] * factor;
      dweight[p.at(t, i)] *= factor;
    }
  }
  grad.check({dweight, dscale});
}

/// What every sequence's rows are in turn: fn(first row, rows).
template <typename F>
void each_sequence(const Rows& p, F&& fn) {
  for (size_t s = 0; s + 1 < p.cu_seqlens.size(); ++s)
    fn(int64_t{p.cu_seqlens[s]}, int64_t{p.cu_seqlens[s + 1] - p.cu_seqlens[s]});
}

int64_t longest(const Rows& p) {
  int64_t most = 0;
  each_sequence(p, [&](int64_t, int64_t rows) { most = std::max(most, rows); });
  return most;
}

TEST_P(LinearRecurrence, LongConvolution) {
  const Rows& p = GetParam();
  for (const int64_t length : {longest(p), longest(p) + 3}) {
    OpCase op("long_convolution", {}, p.dtype);
    op.random({p.rows, p.channels});
    const Values kernel = OpCase("").random({p.channels, length}).inputs()[0];
    op.f32({p.channels, length}, kernel).ints(p.cu_seqlens);
    Values y(op.inputs()[0].size());
    each_sequence(p, [&](int64_t first, int64_t rows) {
      for (int64_t t = 0; t < rows; ++t)
        for (int64_t l = 0; l <= t; ++l)
          for (int64_t i = 0; i < p.channels; ++i)
            y[p.at(first + t, i)] +=
                op.inputs()[1][static_cast<size_t>(i * length + l)] * op.inputs()[0][p.at(first + t - l, i)];
    });
    op.check({y});
  }
}

TEST_P(LinearRecurrence, LongConvolutionGradient) {
  const Rows& p = GetParam();
  for (const bool accumulates : {false, true}) {
    const int64_t length = longest(p) + 2;
    OpCase op("long_convolution_grad", {}, p.dtype);
    op.random({p.rows, p.channels}).random({p.rows, p.channels});
    const Values kernel = OpCase("").random({p.channels, length}).inputs()[0];
    op.f32({p.channels, length}, kernel).ints(p.cu_seqlens);
    Values du(op.inputs()[0].size()), dkernel(kernel.size());
    if (accumulates) du = op.random({p.rows, p.channels}).inputs()[4];
    each_sequence(p, [&](int64_t first, int64_t rows) {
      for (int64_t t = 0; t < rows; ++t)
        for (int64_t l = 0; l <= t; ++l)
          for (int64_t i = 0; i < p.channels; ++i) {
            const auto k = static_cast<size_t>(i * length + l);
            const double dy = op.inputs()[0][p.at(first + t, i)];
            du[p.at(first + t - l, i)] += op.inputs()[2][k] * dy;
            dkernel[k] += dy * op.inputs()[1][p.at(first + t - l, i)];
          }
    });
    op.check({du, dkernel});
  }
}

TEST(LongConvolution, RefusesSequencesLongerThanTheKernel) {
  OpCase op("long_convolution");
  op.random({5, 2}).random({2, 4}).ints({0, 5});
  EXPECT_THROW(op.run({}), Error);
}

// A = diag(a) - P P^* over both conjugates, discretised as a whole, applied step after step.
TEST(SsmKernel, IsThatOfTheDenseSystem) {
  constexpr int64_t kChannels = 11, kPairs = 3, kLength = 40;
  OpCase op("ssm_kernel", {{"length", kLength}, {"discretization", std::string("bilinear")}});
  Values log_dt(kChannels), real(kChannels * kPairs), imag(kChannels * kPairs);
  for (size_t h = 0; h < log_dt.size(); ++h) log_dt[h] = -4 + 0.3 * static_cast<double>(h);
  for (size_t i = 0; i < real.size(); ++i) {
    real[i] = std::log(0.5) + 0.02 * static_cast<double>(i);
    imag[i] = 3.0 * static_cast<double>(i % kPairs);
  }
  op.f32({kChannels}, log_dt).f32({kChannels, kPairs}, real).f32({kChannels, kPairs}, imag);
  for (int i = 0; i < 3; ++i) op.random({kChannels, kPairs, 2});
  constexpr size_t kAll = 2 * kPairs;
  Values expected;
  for (size_t h = 0; h < kChannels; ++h) {
    const double half = std::exp(op.inputs()[0][h]) / 2;
    Complex a[kAll], b[kAll], c[kAll], p[kAll];
    for (size_t n = 0; n < kAll; ++n) {
      const size_t i = h * kPairs + n % kPairs;
      const auto both = [&](Complex z) { return n < kPairs ? z : std::conj(z); };
      const auto operand = [&](size_t k) { return both({op.inputs()[k][2 * i], op.inputs()[k][2 * i + 1]}); };
      a[n] = both({-std::exp(op.inputs()[1][i]), op.inputs()[2][i]});
      c[n] = operand(3);
      b[n] = operand(4);
      p[n] = operand(5);
    }
    // Solves (1 - dt/2 A) x = y by elimination.
    const auto solve = [&](std::vector<Complex> y) {
      Complex m[kAll][kAll];
      for (size_t i = 0; i < kAll; ++i)
        for (size_t j = 0; j < kAll; ++j)
          m[i][j] = (i == j ? 1.0 - half * a[i] : 0) + half * p[i] * std::conj(p[j]);
      for (size_t k = 0; k < kAll; ++k)
        for (size_t i = 0; i < kAll; ++i) {
          if (i == k) continue;
          const Complex f = m[i][k] / m[k][k];
          for (size_t j = k; j < kAll; ++j) m[i][j] -= f * m[k][j];
          y[i] -= f * y[k];
        }
      for (size_t k = 0; k < kAll; ++k) y[k] /= m[k][k];
      return y;
    };
    std::vector<Complex> x;
    for (const Complex& z : b) x.push_back(2 * half * z);
    x = solve(x);
    for (int64_t l = 0; l < kLength; ++l) {
      Complex value = 0, sensed = 0;
      for (size_t n = 0; n < kAll; ++n) {
        value += c[n] * x[n];
        sensed += std::conj(p[n]) * x[n];
      }
      expected.push_back(value.real());
      for (size_t n = 0; n < kAll; ++n) x[n] += half * (a[n] * x[n] - p[n] * sensed);
      x = solve(x);
    }
  }
  op.check({expected});
}

TEST(SsmKernel, HeldExactlyTheDiagonalOneIsAnExponential) {
  constexpr int64_t kChannels = 3, kPairs = 2, kLength = 2000;
  OpCase op("ssm_kernel", {{"length", kLength}, {"discretization", std::string("zoh")}});
  op.f32({kChannels}, {-6, -4, -2.5}).f32({kChannels, kPairs}, Values(6, std::log(0.5)));
  op.f32({kChannels, kPairs}, {0, 3, 6, 9, 12, 15}).random({kChannels, kPairs, 2});
  Values expected;
  for (size_t h = 0; h < kChannels; ++h)
    for (int64_t l = 0; l < kLength; ++l) {
      double value = 0;
      for (size_t i = h * kPairs; i < (h + 1) * kPairs; ++i) {
        const Complex a(-std::exp(op.inputs()[1][i]), op.inputs()[2][i]);
        const Complex c(op.inputs()[3][2 * i], op.inputs()[3][2 * i + 1]),
            step = std::exp(op.inputs()[0][h]) * a;
        value += 2 * (c * (std::exp(step) - 1.0) / a * std::exp(step * static_cast<double>(l))).real();
      }
      expected.push_back(value);
    }
  op.check({expected});
}

TEST(SsmKernel, RefusesWhatItCannotDiscretise) {
  const auto attempt = [](const std::string& rule, int64_t length) {
    OpCase op("ssm_kernel", {{"length", length}, {"discretization", rule}});
    op.f32({1}, {0}).f32({1, 1}, {0}).f32({1, 1}, {0});
    for (int i = 0; i < 3; ++i) op.random({1, 1, 2});
    op.run({});
  };
  attempt("bilinear", 4);
  EXPECT_THROW(attempt("zoh", 4), Error);
  EXPECT_THROW(attempt("euler", 4), Error);
  EXPECT_THROW(attempt("bilinear", 0), Error);
}

}  // namespace
}  // namespace tidemark::test
