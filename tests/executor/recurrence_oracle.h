// Linear recurrences of state-space layers, stepped through in float64, with their gradients.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/executor/op_case.h"

namespace tidemark::test {

inline double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}
inline double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}
inline double silu_slope(double x) {
  const double s = sigmoid(x);
  return s * (1 + x * (1 - s));
}

/// h[e][n] = exp(delta[e] a[e][n]) h[e][n] + delta[e] b[g][n] u[e]; y[e] = sum of c[g][n] h[e][n] + d[e]
/// u[e], the state starting at zero with each sequence; g is the group of channel e. All row-major, per row
/// where `rows` is named.
struct Recurrence {
  int64_t rows, channels, states, groups;
  std::vector<int32_t> cu_seqlens;
  Values delta, u;  ///< [rows, channels]
  Values b, c;      ///< [rows, groups, states]
  Values a;         ///< [channels, states]
  Values d;         ///< [channels]

  struct Result {
    Values y, states;  ///< [rows, channels]; after each row [rows, channels, states]
  };
  Result run() const;
  /// Gradients given that of y; `d_sum` is that of d.
  struct Gradient {
    Values delta, u, b, c, a, d_sum;
  };
  Gradient differentiate(const Result& result, const Values& dy) const;

  bool begins(int64_t row) const;
  size_t at(int64_t row, int64_t channel) const { return static_cast<size_t>(row * channels + channel); }
  size_t at(int64_t row, int64_t channel, int64_t state) const {
    return static_cast<size_t>((row * channels + channel) * states + state);
  }
  size_t group_at(int64_t row, int64_t channel, int64_t state) const {
    return static_cast<size_t>((row * groups + channel * groups / channels) * states + state);
  }
};

}  // namespace tidemark::test
