// -log p of Bernoulli rows and its gradient against float64.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

class BinaryCrossEntropyTest : public ::testing::TestWithParam<std::tuple<Shape, DType, double>> {
 protected:
  Shape shape = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  double scale = std::get<2>(GetParam());  ///< of the logits

  Values targets() const {
    Values x(static_cast<size_t>(shape.elements()));
    for (size_t i = 0; i < x.size(); ++i) x[i] = i % 5 == 4 ? 0.25 : i % 3 == 0;
    return x;
  }
  /// The loss and each row's.
  std::vector<Values> losses(const OpCase& op) const {
    Values rows(static_cast<size_t>(shape[0]));
    double total = 0;
    for (size_t i = 0; i < op.inputs()[0].size(); ++i) {
      const double logit = op.inputs()[0][i];
      const double softplus = std::max(logit, 0.0) + std::log1p(std::exp(-std::abs(logit)));
      const double nll = softplus - logit * op.inputs()[1][i];
      rows[i / static_cast<size_t>(shape[1])] += nll;
      total += nll / static_cast<double>(shape[0]);
    }
    return {{total}, rows};
  }
};

INSTANTIATE_TEST_SUITE_P(
    Shapes, BinaryCrossEntropyTest,
    ::testing::Combine(::testing::Values(Shape{1, 1}, Shape{3, 5}, Shape{17, 33}, Shape{100, 784}),
                       ::testing::Values(DType::f32, DType::bf16), ::testing::Values(0.01, 3.0, 40.0)));

TEST_P(BinaryCrossEntropyTest, Loss) {
  OpCase op("binary_cross_entropy", {}, dtype);
  op.random(shape, scale).floats(shape, targets());
  op.check(losses(op));
}

TEST_P(BinaryCrossEntropyTest, Gradient) {
  OpCase op("binary_cross_entropy_grad", {{"grad_scale", 0.5}}, dtype);
  op.random(shape, scale).floats(shape, targets());
  std::vector<Values> expected = losses(op);
  Values gradient;
  for (size_t i = 0; i < op.inputs()[0].size(); ++i)
    gradient.push_back(0.5 / static_cast<double>(shape[0]) *
                       (1 / (1 + std::exp(-op.inputs()[0][i])) - op.inputs()[1][i]));
  expected.push_back(gradient);
  op.check(expected);
}

// A pixel that is all but certain still has a probability, of e^-30 and not 0.
TEST(BinaryCrossEntropy, SmallLossesKeepTheirPrecision) {
  OpCase op("binary_cross_entropy");
  op.floats({2, 1}, {-30, 30}).floats({2, 1}, {0, 1});
  const double loss = std::log1p(std::exp(-30.0));
  op.check({{loss}, {loss, loss}}, 1e-6);
}

}  // namespace
}  // namespace tidemark::test
