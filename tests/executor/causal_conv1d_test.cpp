// The causal convolution and its gradient against a plain sum in float64.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/executor/recurrence_oracle.h"

namespace tidemark::test {
namespace {

struct Problem {
  int64_t rows, channels, width;
  std::vector<int32_t> cu_seqlens;
  bool bias = true;
  DType dtype = DType::f32;
  int64_t first = 3, beyond = 2;  ///< columns of x around those of the op
};

int64_t x_columns(const Problem& p) {
  return p.first + p.channels + p.beyond;
}

void add_operands(OpCase& op, const Problem& p) {
  op.random({p.rows, x_columns(p)}).random({p.channels, 1, p.width}, 0.5);
  if (p.bias)
    op.random({p.channels});
  else
    op.absent();
  op.ints(p.cu_seqlens);
}

struct Oracle {
  const Problem& p;
  const Values &x, &weight, &bias;

  Oracle(const Problem& problem, const OpCase& op, size_t first)
      : p(problem), x(op.inputs()[first]), weight(op.inputs()[first + 1]), bias(op.inputs()[first + 2]) {}

  size_t x_at(int64_t t, int64_t c) const { return static_cast<size_t>(t * x_columns(p) + p.first + c); }
  size_t y_at(int64_t t, int64_t c) const { return static_cast<size_t>(t * p.channels + c); }
  size_t weight_at(int64_t c, int64_t back) const {
    return static_cast<size_t>(c * p.width + p.width - 1 - back);
  }
  int64_t start(int64_t t) const {
    int64_t first = 0;
    for (const int32_t begin : p.cu_seqlens)
      if (begin <= t) first = begin;
    return first;
  }
  double inner(int64_t t, int64_t c) const {
    double sum = p.bias ? bias[static_cast<size_t>(c)] : 0;
    for (int64_t k = 0; k < p.width && t - k >= start(t); ++k)
      sum += weight[weight_at(c, k)] * x[x_at(t - k, c)];
    return sum;
  }
  Values forward() const {
    Values y(static_cast<size_t>(p.rows * p.channels));
    for (int64_t t = 0; t < p.rows; ++t)
      for (int64_t c = 0; c < p.channels; ++c) y[y_at(t, c)] = inner(t, c) * sigmoid(inner(t, c));
    return y;
  }
  std::vector<Values> backward(const Values& dy, Values dx) const {
    Values dweight(weight.size()), dbias(bias.size());
    for (int64_t t = 0; t < p.rows; ++t)
      for (int64_t c = 0; c < p.channels; ++c) {
        const double g = dy[y_at(t, c)] * silu_slope(inner(t, c));
        if (p.bias) dbias[static_cast<size_t>(c)] += g;
        for (int64_t k = 0; k < p.width && t - k >= start(t); ++k) {
          dx[x_at(t - k, c)] += g * weight[weight_at(c, k)];
          dweight[weight_at(c, k)] += g * x[x_at(t - k, c)];
        }
      }
    return {dx, dweight, dbias};
  }
};

class CausalConv1dTest : public ::testing::TestWithParam<Problem> {};

INSTANTIATE_TEST_SUITE_P(
    Problems, CausalConv1dTest,
    ::testing::Values(Problem{1, 1, 4, {0, 1}}, Problem{2, 5, 4, {0, 1, 1, 2}},
                      Problem{66, 33, 4, {0, 3, 3, 62, 64, 66}}, Problem{200, 40, 4, {0, 64, 65, 200, 200}},
                      Problem{130, 70, 1, {0, 130}}, Problem{130, 17, 16, {0, 70, 130}, false},
                      Problem{200, 50, 4, {0, 127, 200}, true, DType::bf16},
                      Problem{64, 8, 3, {0, 64}, false, DType::bf16},
                      // In rows of whole pieces.
                      Problem{300, 136, 4, {0, 1, 3, 31, 130, 131, 300}, true, DType::f32, 4, 4},
                      Problem{300, 264, 4, {0, 97, 98, 98, 300}, true, DType::bf16, 8, 16},
                      Problem{129, 40, 3, {0, 129}, false, DType::bf16, 0, 0},
                      Problem{33, 8, 1, {0, 32, 33}, true, DType::bf16, 8, 0}));

TEST_P(CausalConv1dTest, Forward) {
  const Problem& p = GetParam();
  OpCase op("causal_conv1d", {{"first_column", p.first}}, p.dtype);
  add_operands(op, p);
  op.check({Oracle(p, op, 0).forward()});
}

TEST_P(CausalConv1dTest, Gradient) {
  const Problem& p = GetParam();
  for (const bool accumulates : {false, true}) {
    OpCase op("causal_conv1d_grad", {{"first_column", p.first}}, p.dtype);
    op.random({p.rows, p.channels});
    add_operands(op, p);
    Values dx(static_cast<size_t>(p.rows * x_columns(p)));
    if (accumulates) dx = op.random({p.rows, x_columns(p)}).inputs().back();
    op.check(Oracle(p, op, 1).backward(op.inputs()[0], dx), p.dtype == DType::bf16 ? 8e-3 : 2e-5);
  }
}

}  // namespace
}  // namespace tidemark::test
