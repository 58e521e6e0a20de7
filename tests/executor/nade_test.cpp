// NADE's scan and its gradient against float64 sums that make every activation anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

struct Sizes {
  int64_t rows, pixels, hidden;
};

class NadeTest : public ::testing::TestWithParam<std::tuple<Sizes, DType, const char*, bool>> {
 protected:
  Sizes s = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  std::string function = std::get<2>(GetParam());
  bool tied = std::get<3>(GetParam());

  std::vector<int32_t> order() const {
    std::vector<int32_t> list(static_cast<size_t>(s.pixels));
    std::iota(list.begin(), list.end(), 0);
    std::mt19937 random(4);
    std::shuffle(list.begin(), list.end(), random);
    return list;
  }
  /// Mostly zeros and ones, as the kernels expect; one number that is neither.
  Values images() const {
    Values x(static_cast<size_t>(s.rows * s.pixels));
    for (size_t i = 0; i < x.size(); ++i) x[i] = i * i % 7 < 2 ? 1 : 0;
    x.back() = -0.5;
    return x;
  }
  double activate(double a) const {
    return function == "sigmoid" ? 1 / (1 + std::exp(-a))
           : function == "tanh"  ? std::tanh(a)
                                 : std::max(a, 0.0);
  }
  double slope(double a) const {
    const double h = activate(a);
    return function == "sigmoid" ? h * (1 - h) : function == "tanh" ? 1 - h * h : a > 0;
  }
  /// a of hidden unit h when pixel number k of the order is predicted.
  double sum_before(const Values& x, const Values& weight, const Values& bias, int64_t row, int64_t h,
                    int64_t k) const {
    double a = bias[static_cast<size_t>(h)];
    const auto visited = order();
    for (int64_t j = 0; j < k; ++j) {
      const int64_t pixel = visited[static_cast<size_t>(j)];
      a += weight[static_cast<size_t>(h * s.pixels + pixel)] * x[static_cast<size_t>(row * s.pixels + pixel)];
    }
    return a;
  }
  /// Element (pixel, h).
  double output_weight(const Values& weight, const Values& untied, int64_t pixel, int64_t h) const {
    return tied ? weight[static_cast<size_t>(h * s.pixels + pixel)]
                : untied[static_cast<size_t>(pixel * s.hidden + h)];
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, NadeTest,
                         ::testing::Combine(::testing::Values(Sizes{1, 1, 1}, Sizes{9, 7, 5},
                                                              Sizes{19, 12, 37}, Sizes{3, 20, 130}),
                                            ::testing::Values(DType::f32, DType::bf16),
                                            ::testing::Values("sigmoid", "relu", "tanh"), ::testing::Bool()));

TEST_P(NadeTest, Logits) {
  OpCase op("nade", {{"function", function}}, dtype);
  op.floats({s.rows, s.pixels}, images()).ints(order());
  op.random({s.hidden, s.pixels}).random({s.hidden}).random({s.pixels});
  if (!tied) op.random({s.pixels, s.hidden});
  const Values &x = op.inputs()[0], &w = op.inputs()[2], &c = op.inputs()[3];
  const Values v = tied ? Values{} : op.inputs()[5];
  Values logits(static_cast<size_t>(s.rows * s.pixels));
  for (int64_t row = 0; row < s.rows; ++row)
    for (int64_t k = 0; k < s.pixels; ++k) {
      const int64_t pixel = order()[static_cast<size_t>(k)];
      double sum = op.inputs()[4][static_cast<size_t>(pixel)];
      for (int64_t h = 0; h < s.hidden; ++h)
        sum += output_weight(w, v, pixel, h) * activate(sum_before(x, w, c, row, h, k));
      logits[static_cast<size_t>(row * s.pixels + pixel)] = sum;
    }
  op.check({logits});
}

TEST_P(NadeTest, Gradient) {
  for (const bool accumulates : {false, true}) {
    OpCase op("nade_grad", {{"function", function}}, dtype);
    op.random({s.rows, s.pixels}).floats({s.rows, s.pixels}, images()).ints(order());
    op.random({s.hidden, s.pixels}).random({s.hidden});
    tied ? op.absent() : op.random({s.pixels, s.hidden});
    if (accumulates) {
      op.random({s.hidden, s.pixels}).random({s.hidden});
      if (!tied) op.random({s.pixels, s.hidden});
    }
    const Values &dy = op.inputs()[0], &x = op.inputs()[1], &w = op.inputs()[3], &c = op.inputs()[4];
    const Values& v = op.inputs()[5];
    Values dw(w.size()), dc(c.size()), dv(tied ? 0 : v.size());
    if (accumulates) {
      dw = op.inputs()[6];
      dc = op.inputs()[7];
      if (!tied) dv = op.inputs()[8];
    }
    for (int64_t row = 0; row < s.rows; ++row)
      for (int64_t h = 0; h < s.hidden; ++h)
        for (int64_t k = 0; k < s.pixels; ++k) {
          const int64_t pixel = order()[static_cast<size_t>(k)];
          const double a = sum_before(x, w, c, row, h, k);
          const double dlogit = dy[static_cast<size_t>(row * s.pixels + pixel)];
          (tied ? dw[static_cast<size_t>(h * s.pixels + pixel)]
                : dv[static_cast<size_t>(pixel * s.hidden + h)]) += dlogit * activate(a);
          const double da = dlogit * output_weight(w, v, pixel, h) * slope(a);
          dc[static_cast<size_t>(h)] += da;
          for (int64_t j = 0; j < k; ++j) {
            const int64_t seen = order()[static_cast<size_t>(j)];
            dw[static_cast<size_t>(h * s.pixels + seen)] +=
                da * x[static_cast<size_t>(row * s.pixels + seen)];
          }
        }
    op.check({dw, dc, dv});
  }
}

}  // namespace
}  // namespace tidemark::test
