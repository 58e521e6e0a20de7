// Layer and group norm and their gradients against float64.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

constexpr double kEpsilon = 1e-5;

struct Sizes {
  int64_t rows, columns, groups;
};

class LayerNormTest : public ::testing::TestWithParam<std::tuple<Sizes, DType>> {
 protected:
  int64_t rows = std::get<0>(GetParam()).rows, columns = std::get<0>(GetParam()).columns;
  int64_t groups = std::get<0>(GetParam()).groups, width = columns / groups;
  DType dtype = std::get<1>(GetParam());
  Attributes attributes{{"epsilon", kEpsilon}, {"groups", groups}};

  size_t at(int64_t i, int64_t j) const { return static_cast<size_t>(i * columns + j); }
  size_t group_at(int64_t i, int64_t j) const { return static_cast<size_t>(i * groups + j / width); }

  struct Statistics {
    Values mean, rstd;
  };
  Statistics statistics_of(const Values& x) const {
    Statistics s;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t first = 0; first < columns; first += width) {
        double mean = 0, variance = 0;
        for (int64_t j = first; j < first + width; ++j) mean += x[at(i, j)] / static_cast<double>(width);
        for (int64_t j = first; j < first + width; ++j)
          variance += (x[at(i, j)] - mean) * (x[at(i, j)] - mean) / static_cast<double>(width);
        s.mean.push_back(mean);
        s.rstd.push_back(1 / std::sqrt(variance + kEpsilon));
      }
    return s;
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, LayerNormTest,
                         ::testing::Combine(::testing::Values(Sizes{1, 3, 1}, Sizes{1, 300, 3},
                                                              Sizes{5, 7, 1}, Sizes{33, 65, 5},
                                                              Sizes{200, 256, 1}, Sizes{70, 1000, 5}),
                                            ::testing::Values(DType::f32, DType::bf16)));

TEST_P(LayerNormTest, Forward) {
  for (const bool bias : {false, true}) {
    OpCase op("layer_norm", attributes, dtype);
    op.random({rows, columns}, 3).random({columns});
    if (bias) op.random({columns});
    const Values &x = op.inputs()[0], &weight = op.inputs()[1];
    const Statistics s = statistics_of(x);
    Values y;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        y.push_back((x[at(i, j)] - s.mean[group_at(i, j)]) * s.rstd[group_at(i, j)] *
                        weight[static_cast<size_t>(j)] +
                    (bias ? op.inputs()[2][static_cast<size_t>(j)] : 0));
    op.check({y, s.mean, s.rstd});
  }
}

TEST_P(LayerNormTest, Gradient) {
  for (const bool bias : {false, true})
    for (const bool residual : {false, true}) {
      OpCase op("layer_norm_grad", attributes, dtype);
      op.random({rows, columns}).random({rows, columns}, 3).random({columns});
      bias ? op.random({columns}) : op.absent();
      const Statistics s = statistics_of(op.inputs()[1]);
      op.f32({rows, groups}, s.mean).f32({rows, groups}, s.rstd);
      if (residual) op.random({rows, columns});
      const Values &dy = op.inputs()[0], &x = op.inputs()[1], &w = op.inputs()[2];
      const Values &mean = op.inputs()[4], &rstd = op.inputs()[5];
      Values dx, dweight(w.size()), dbias(bias ? w.size() : 0);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
          const auto normed = [&](int64_t k) {
            return (x[at(i, k)] - mean[group_at(i, k)]) * rstd[group_at(i, k)];
          };
          const auto d = [&](int64_t k) { return dy[at(i, k)] * w[static_cast<size_t>(k)]; };
          double average = 0, along = 0;
          for (int64_t k = j / width * width; k < (j / width + 1) * width; ++k) {
            average += d(k) / static_cast<double>(width);
            along += d(k) * normed(k) / static_cast<double>(width);
          }
          dx.push_back(rstd[group_at(i, j)] * (d(j) - average - normed(j) * along) +
                       (residual ? op.inputs()[6][at(i, j)] : 0));
          dweight[static_cast<size_t>(j)] += dy[at(i, j)] * normed(j);
          if (bias) dbias[static_cast<size_t>(j)] += dy[at(i, j)];
        }
      // In a row of few columns the terms of dx all but cancel.
      op.check({dx, dweight, dbias}, dtype == DType::bf16 ? 8e-3 : 1e-4);
    }
}

// The variance of numbers far from zero is not a difference of large sums.
TEST(LayerNormTest, SurvivesALargeMean) {
  OpCase op("layer_norm", {{"epsilon", 0.0}, {"groups", int64_t{1}}});
  op.floats({1, 4}, {30001, 30003, 30001, 30003}).floats({4}, {1, 1, 1, 1});
  op.check({{-1, 1, -1, 1}, {30002}, {1}}, 1e-6);
}

TEST(LayerNormTest, NotANumberStaysInItsRow) {
  const double nan = std::nan("");
  OpCase op("layer_norm", {{"epsilon", 0.0}, {"groups", int64_t{1}}});
  op.floats({2, 2}, {1, 3, 1, nan}).floats({2}, {1, 1}).floats({2}, {0, 1});
  op.check({{-1, 2, nan, nan}, {2, nan}, {1, nan}});
}

}  // namespace
}  // namespace tidemark::test
