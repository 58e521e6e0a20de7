// Skip with GELU, batch norm and pooling against float64.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

struct Sizes {
  int64_t rows, columns;
};

class SequenceLayers : public ::testing::TestWithParam<std::tuple<Sizes, DType>> {
 protected:
  int64_t rows = std::get<0>(GetParam()).rows, columns = std::get<0>(GetParam()).columns;
  DType dtype = std::get<1>(GetParam());
  size_t at(int64_t i, int64_t j) const { return static_cast<size_t>(i * columns + j); }
};
INSTANTIATE_TEST_SUITE_P(Shapes, SequenceLayers,
                         ::testing::Combine(::testing::Values(Sizes{1, 1}, Sizes{5, 7}, Sizes{33, 65},
                                                              Sizes{200, 64}),
                                            ::testing::Values(DType::f32, DType::bf16)));

double gelu(bool tanh, double v) {
  if (!tanh) return v / 2 * (1 + std::erf(v / std::numbers::sqrt2));
  return v / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v)));
}

TEST_P(SequenceLayers, SkipGeluAndItsGradient) {
  for (const bool tanh : {false, true}) {
    OpCase op("skip_gelu", {{"tanh", tanh}}, dtype), grad("skip_gelu_grad", {{"tanh", tanh}}, dtype);
    Values d;
    for (int64_t j = 0; j < columns; ++j) d.push_back(std::cos(static_cast<double>(j)));
    op.random({rows, columns}, 2).random({rows, columns}, 2).f32({columns}, d);
    grad.random({rows, columns}).random({rows, columns}, 2).random({rows, columns}, 2).f32({columns}, d);
    Values y, dx, du, dd(d.size());
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        const size_t k = at(i, j), column = static_cast<size_t>(j);
        y.push_back(gelu(tanh, op.inputs()[0][k] + op.inputs()[2][column] * op.inputs()[1][k]));
        const double skip = grad.inputs()[3][column], u = grad.inputs()[2][k];
        const double v = grad.inputs()[1][k] + skip * u, h = 1e-4;
        dx.push_back(grad.inputs()[0][k] * (gelu(tanh, v + h) - gelu(tanh, v - h)) / (2 * h));
        du.push_back(dx.back() * skip);
        dd[column] += dx.back() * u;
      }
    op.check({y});
    grad.check({dx, du, dd});
  }
}

TEST_P(SequenceLayers, BatchNormAndItsGradient) {
  if (rows == 1) return;  // a single row has no spread
  constexpr double kEpsilon = 1e-5;
  OpCase op("batch_norm", {{"epsilon", kEpsilon}}, dtype), grad("batch_norm_grad", {}, dtype);
  op.random({rows, columns}, 3).random({columns}).random({columns});
  grad.random({rows, columns}).random({rows, columns}, 3).random({columns});
  const auto statistics = [&](const Values& x, Values& mean, Values& rstd) {
    for (int64_t j = 0; j < columns; ++j) {
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < rows; ++i) sum += x[at(i, j)];
      mean.push_back(sum / static_cast<double>(rows));
      for (int64_t i = 0; i < rows; ++i) squares += std::pow(x[at(i, j)] - mean.back(), 2);
      rstd.push_back(1 / std::sqrt(squares / static_cast<double>(rows) + kEpsilon));
    }
  };
  Values mean, rstd, y(op.inputs()[0].size());
  statistics(op.inputs()[0], mean, rstd);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const auto c = static_cast<size_t>(j);
      y[at(i, j)] = (op.inputs()[0][at(i, j)] - mean[c]) * rstd[c] * op.inputs()[1][c] + op.inputs()[2][c];
    }
  op.check({y, mean, rstd});

  mean.clear();
  rstd.clear();
  statistics(grad.inputs()[1], mean, rstd);
  grad.f32({columns}, mean).f32({columns}, rstd);
  Values dx(y.size()), dweight(mean.size()), dbias(mean.size());
  for (int64_t j = 0; j < columns; ++j) {
    const auto c = static_cast<size_t>(j);
    const auto normed = [&](int64_t i) {
      return (grad.inputs()[1][at(i, j)] - grad.inputs()[3][c]) * grad.inputs()[4][c];
    };
    for (int64_t i = 0; i < rows; ++i) {
      dbias[c] += grad.inputs()[0][at(i, j)];
      dweight[c] += grad.inputs()[0][at(i, j)] * normed(i);
    }
    for (int64_t i = 0; i < rows; ++i)
      dx[at(i, j)] =
          grad.inputs()[2][c] * grad.inputs()[4][c] *
          (grad.inputs()[0][at(i, j)] - (dbias[c] + normed(i) * dweight[c]) / static_cast<double>(rows));
  }
  grad.check({dx, dweight, dbias}, dtype == DType::bf16 ? 8e-3 : 2e-5);
}

TEST_P(SequenceLayers, PoolAndItsGradient) {
  const auto cut = static_cast<int32_t>(rows / 3), end = static_cast<int32_t>(rows);
  const std::vector<int32_t> cu_seqlens = {0, cut, cut, end, end};  // two of them empty, or three
  const auto sequences = static_cast<int64_t>(cu_seqlens.size()) - 1;
  for (const bool mean : {true, false}) {
    const std::string mode = mean ? "mean" : "last";
    OpCase op("pool", {{"mode", mode}}, dtype), grad("pool_grad", {{"mode", mode}, {"rows", rows}}, dtype);
    op.random({rows, columns}).ints(cu_seqlens);
    grad.random({sequences, columns}).ints(cu_seqlens);
    Values y(static_cast<size_t>(sequences * columns)), dx(static_cast<size_t>(rows * columns));
    for (int64_t s = 0; s < sequences; ++s) {
      const int64_t first = cu_seqlens[static_cast<size_t>(s)], last = cu_seqlens[static_cast<size_t>(s + 1)];
      for (int64_t i = mean || first == last ? first : last - 1; i < last; ++i)
        for (int64_t j = 0; j < columns; ++j) {
          const double share = mean ? 1 / static_cast<double>(last - first) : 1;
          y[at(s, j)] += share * op.inputs()[0][at(i, j)];
          dx[at(i, j)] = share * grad.inputs()[0][at(s, j)];
        }
    }
    op.check({y});
    grad.check({dx});
  }
}

}  // namespace
}  // namespace tidemark::test
