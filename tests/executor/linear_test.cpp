// Linear layers and their gradients against float64, on shapes that leave tails everywhere.
#include <gtest/gtest.h>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

/// c[m, n] (empty: zeros) + a[m, k] b[k, n], by functions of the indices.
template <typename A, typename B>
Values product(int64_t m, int64_t n, int64_t k, A a, B b, Values c = {}) {
  if (c.empty()) c.assign(static_cast<size_t>(m * n), 0);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = 0; j < n; ++j) c[static_cast<size_t>(i * n + j)] += a(i, p) * b(p, j);
  return c;
}

auto rows_of(const Values& v, int64_t ld) {
  return [&v, ld](int64_t i, int64_t j) { return v[static_cast<size_t>(i * ld + j)]; };
}
auto columns_of(const Values& v, int64_t ld) {
  return [&v, ld](int64_t i, int64_t j) { return v[static_cast<size_t>(j * ld + i)]; };
}

struct Sizes {
  int64_t tokens, inputs, outputs;
};

class LinearTest : public ::testing::TestWithParam<std::tuple<Sizes, DType, bool>> {
 protected:
  Sizes s = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  bool adds = std::get<2>(GetParam());  ///< whether the optional operands are there
};

INSTANTIATE_TEST_SUITE_P(Shapes, LinearTest,
                         ::testing::Combine(::testing::Values(Sizes{1, 1, 1}, Sizes{1, 67, 33},
                                                              Sizes{5, 3, 1}, Sizes{37, 130, 17},
                                                              Sizes{70, 700, 65}, Sizes{300, 64, 290}),
                                            ::testing::Values(DType::f32, DType::bf16), ::testing::Bool()));

TEST_P(LinearTest, Forward) {
  OpCase op("linear", {}, dtype);
  op.random({s.tokens, s.inputs}).random({s.outputs, s.inputs});
  if (adds) op.random({s.outputs}).random({s.tokens, s.outputs});
  Values start;
  for (int64_t i = 0; adds && i < s.tokens * s.outputs; ++i)
    start.push_back(op.inputs()[3][static_cast<size_t>(i)] +
                    op.inputs()[2][static_cast<size_t>(i % s.outputs)]);
  op.check({product(s.tokens, s.outputs, s.inputs, rows_of(op.inputs()[0], s.inputs),
                    columns_of(op.inputs()[1], s.inputs), start)});
}

TEST_P(LinearTest, GradientOfInput) {
  OpCase op("linear_grad_input", {}, dtype);
  op.random({s.tokens, s.outputs}).random({s.outputs, s.inputs});
  if (adds) op.random({s.tokens, s.inputs});
  op.check({product(s.tokens, s.inputs, s.outputs, rows_of(op.inputs()[0], s.outputs),
                    rows_of(op.inputs()[1], s.inputs), adds ? op.inputs()[2] : Values{})});
}

TEST_P(LinearTest, GradientOfWeight) {
  OpCase op("linear_grad_weight", {}, dtype);
  op.random({s.tokens, s.outputs}).random({s.tokens, s.inputs});
  if (adds) op.random({s.outputs, s.inputs});
  op.check({product(s.outputs, s.inputs, s.tokens, columns_of(op.inputs()[0], s.outputs),
                    rows_of(op.inputs()[1], s.inputs), adds ? op.inputs()[2] : Values{})});
}

TEST_P(LinearTest, GradientOfBias) {
  for (int64_t tail : {int64_t{0}, (s.outputs + 2) / 3, s.outputs}) {
    OpCase op("column_sum", {}, dtype);
    op.random({s.tokens, s.outputs});
    tail > 0 ? op.random({s.tokens, tail}) : op.absent();
    if (adds) op.random({s.outputs});
    Values expected = adds ? op.inputs()[2] : Values(static_cast<size_t>(s.outputs));
    for (int64_t i = 0; i < s.tokens; ++i)
      for (int64_t j = 0; j < s.outputs; ++j) {
        const int64_t in_tail = j - (s.outputs - tail);
        expected[static_cast<size_t>(j)] += in_tail >= 0 ? rows_of(op.inputs()[1], tail)(i, in_tail)
                                                         : rows_of(op.inputs()[0], s.outputs)(i, j);
      }
    op.check({expected});
  }
}

TEST(LinearTest, NotANumberStaysInItsRow) {
  OpCase op("linear");
  Values x(3 * 40, 1.0);
  x[40 + 39] = std::nan("");
  op.floats({3, 40}, x).floats({20, 40}, Values(20 * 40, 0.5));
  Values expected(3 * 20, 20.0);
  for (size_t j = 0; j < 20; ++j) expected[20 + j] = std::nan("");
  op.check({expected});
}

TEST(ColumnSumTest, LongColumnsKeepTheirPrecision) {
  const int64_t rows = 100000;
  Values x;
  for (int64_t i = 0; i < rows; ++i)
    x.push_back(rounded_to(DType::f32, 1 + 1e-3 * static_cast<double>(i % 7)));
  double sum = 0;
  for (double v : x) sum += v;
  OpCase op("column_sum");
  op.floats({rows, 1}, x).check({{sum}}, 1e-6);
}

}  // namespace
}  // namespace tidemark::test
