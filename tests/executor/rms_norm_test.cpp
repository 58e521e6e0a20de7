// RMS norm and its gradient against float64.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

constexpr double kEpsilon = 1e-5;

struct Sizes {
  int64_t rows, columns;
};

class RmsNormTest : public ::testing::TestWithParam<std::tuple<Sizes, DType>> {
 protected:
  int64_t rows = std::get<0>(GetParam()).rows, columns = std::get<0>(GetParam()).columns;
  DType dtype = std::get<1>(GetParam());

  size_t at(int64_t i, int64_t j) const { return static_cast<size_t>(i * columns + j); }
  Values rstd_of(const Values& x) const {
    Values rstd;
    for (int64_t i = 0; i < rows; ++i) {
      double squares = 0;
      for (int64_t j = 0; j < columns; ++j) squares += x[at(i, j)] * x[at(i, j)];
      rstd.push_back(1 / std::sqrt(squares / static_cast<double>(columns) + kEpsilon));
    }
    return rstd;
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, RmsNormTest,
                         ::testing::Combine(::testing::Values(Sizes{1, 1}, Sizes{1, 300}, Sizes{5, 7},
                                                              Sizes{33, 65}, Sizes{200, 256},
                                                              Sizes{70, 1000}),
                                            ::testing::Values(DType::f32, DType::bf16)));

TEST_P(RmsNormTest, Forward) {
  OpCase op("rms_norm", {{"epsilon", kEpsilon}}, dtype);
  op.random({rows, columns}, 3).random({columns});
  const Values& x = op.inputs()[0];
  const Values rstd = rstd_of(x);
  Values y(x.size());
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      y[at(i, j)] = x[at(i, j)] * rstd[static_cast<size_t>(i)] * op.inputs()[1][static_cast<size_t>(j)];
  op.check({y, rstd});
}

TEST_P(RmsNormTest, Gradient) {
  for (bool residual : {false, true}) {
    OpCase op("rms_norm_grad", {{"epsilon", kEpsilon}}, dtype);
    op.random({rows, columns}).random({rows, columns}, 3).random({columns});
    op.f32({rows}, rstd_of(op.inputs()[1]));
    if (residual) op.random({rows, columns});
    const Values &dy = op.inputs()[0], &x = op.inputs()[1], &w = op.inputs()[2], &rstd = op.inputs()[3];
    Values dx(x.size()), dweight(w.size());
    for (int64_t i = 0; i < rows; ++i) {
      const double r = rstd[static_cast<size_t>(i)];
      double dot = 0;
      for (int64_t j = 0; j < columns; ++j) {
        dot += dy[at(i, j)] * w[static_cast<size_t>(j)] * x[at(i, j)];
        dweight[static_cast<size_t>(j)] += dy[at(i, j)] * x[at(i, j)] * r;
      }
      for (int64_t j = 0; j < columns; ++j)
        dx[at(i, j)] = r * dy[at(i, j)] * w[static_cast<size_t>(j)] -
                       x[at(i, j)] * r * r * r * dot / static_cast<double>(columns) +
                       (residual ? op.inputs()[4][at(i, j)] : 0);
    }
    // In a row of one column the two terms of dx all but cancel.
    op.check({dx, dweight}, dtype == DType::bf16 ? 8e-3 : 1e-4);
  }
}

TEST(RmsNormTest, NotANumberStaysInItsRow) {
  OpCase op("rms_norm", {{"epsilon", 0.0}});
  op.floats({2, 3}, {1, 1, 1, 1, std::nan(""), 1}).floats({3}, {1, 2, 3});
  const double nan = std::nan("");
  op.check({{1, 2, 3, nan, nan, nan}, {1, nan}});
}

}  // namespace
}  // namespace tidemark::test
