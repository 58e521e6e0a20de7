// Element-wise ops and copies of columns against float64.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

class PointwiseTest : public ::testing::TestWithParam<std::tuple<Shape, DType>> {
 protected:
  Shape shape = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());

  template <typename F>
  Values each(const OpCase& op, F fn) const {
    Values out;
    for (size_t i = 0; i < op.inputs()[0].size(); ++i) out.push_back(fn(i));
    return out;
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, PointwiseTest,
                         ::testing::Combine(::testing::Values(Shape{1, 1}, Shape{3, 5}, Shape{3, 16},
                                                              Shape{17, 33}, Shape{129, 517}),
                                            ::testing::Values(DType::f32, DType::bf16)));

TEST_P(PointwiseTest, SwiGlu) {
  OpCase op("swiglu", {}, dtype);
  op.random(shape, 4).random(shape);
  op.check({each(op, [&](size_t i) {
    const double gate = op.inputs()[0][i];
    return gate * sigmoid(gate) * op.inputs()[1][i];
  })});
}

TEST_P(PointwiseTest, SwiGluGradient) {
  OpCase op("swiglu_grad", {}, dtype);
  op.random(shape).random(shape, 4).random(shape);
  const Values &dy = op.inputs()[0], &gate = op.inputs()[1], &up = op.inputs()[2];
  op.check({each(op,
                 [&](size_t i) {
                   const double s = sigmoid(gate[i]);
                   return dy[i] * up[i] * (s + gate[i] * s * (1 - s));
                 }),
            each(op, [&](size_t i) { return dy[i] * gate[i] * sigmoid(gate[i]); })});
}

TEST_P(PointwiseTest, GluAndItsGradient) {
  OpCase op("glu", {}, dtype);
  op.random(shape).random(shape, 4);
  op.check({each(op, [&](size_t i) { return op.inputs()[0][i] * sigmoid(op.inputs()[1][i]); })});
  OpCase grad("glu_grad", {}, dtype);
  grad.random(shape).random(shape).random(shape, 4);
  const Values &dy = grad.inputs()[0], &x = grad.inputs()[1], &gate = grad.inputs()[2];
  grad.check({each(grad, [&](size_t i) { return dy[i] * sigmoid(gate[i]); }), each(grad, [&](size_t i) {
                return dy[i] * x[i] * sigmoid(gate[i]) * (1 - sigmoid(gate[i]));
              })});
}

TEST_P(PointwiseTest, GatedLerpAndItsGradient) {
  OpCase op("gated_lerp", {}, dtype);
  op.random(shape).random(shape).random(shape, 4);
  const Values &from = op.inputs()[0], &to = op.inputs()[1], &open = op.inputs()[2];
  op.check({each(op, [&](size_t i) { return from[i] + (to[i] - from[i]) * sigmoid(open[i]); })});
  OpCase grad("gated_lerp_grad", {}, dtype);
  grad.random(shape).random(shape).random(shape).random(shape, 4);
  const Values &dz = grad.inputs()[0], &x = grad.inputs()[1], &y = grad.inputs()[2], &gate = grad.inputs()[3];
  grad.check({each(grad, [&](size_t i) { return dz[i] * (1 - sigmoid(gate[i])); }),
              each(grad, [&](size_t i) { return dz[i] * sigmoid(gate[i]); }), each(grad, [&](size_t i) {
                return dz[i] * (y[i] - x[i]) * sigmoid(gate[i]) * (1 - sigmoid(gate[i]));
              })});
}

TEST_P(PointwiseTest, AddAndAccumulate) {
  for (const char* kind : {"add", "accumulate"}) {
    OpCase op(kind, {}, dtype);
    op.random(shape).random(shape);
    op.check({each(op, [&](size_t i) { return op.inputs()[0][i] + op.inputs()[1][i]; })});
  }
}

TEST_P(PointwiseTest, ActivationsAndTheirGradients) {
  const auto relu = [](double x) { return std::max(x, 0.0); };
  const auto check = [&](const char* name, auto f, auto slope) {
    OpCase op("activation", {{"function", name}}, dtype);
    op.random(shape, 3);
    op.check({each(op, [&](size_t i) { return f(op.inputs()[0][i]); })});
    OpCase grad("activation_grad", {{"function", name}}, dtype);
    grad.random(shape).random(shape, 3);
    Values y = each(grad, [&](size_t i) { return f(grad.inputs()[1][i]); });
    OpCase with_value("activation_grad", {{"function", name}}, dtype);
    with_value.floats(shape, grad.inputs()[0]).floats(shape, y);
    with_value.check({each(
        with_value, [&](size_t i) { return with_value.inputs()[0][i] * slope(with_value.inputs()[1][i]); })});
  };
  check("relu", relu, [](double y) { return y > 0 ? 1.0 : 0.0; });
  check(
      "relu_squared", [&](double x) { return relu(x) * relu(x); }, [](double y) { return 2 * std::sqrt(y); });
  check("sigmoid", sigmoid, [](double y) { return y * (1 - y); });
  check(
      "tanh", [](double x) { return std::tanh(x); }, [](double y) { return 1 - y * y; });
}

TEST_P(PointwiseTest, Clear) {
  OpCase op("clear", {}, dtype);
  op.random(shape).check({Values(static_cast<size_t>(shape.elements()), 0.0)});
}

TEST_P(PointwiseTest, ColumnsJoinedAndParted) {
  const int64_t rows = shape[0], a = shape[1];
  for (const int64_t b : {2 * a, 2 * a + 1}) {
    OpCase concat("concat_columns", {}, dtype);
    concat.random({rows, a}).random({rows, b});
    Values whole;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < a; ++j) whole.push_back(concat.inputs()[0][static_cast<size_t>(i * a + j)]);
      for (int64_t j = 0; j < b; ++j) whole.push_back(concat.inputs()[1][static_cast<size_t>(i * b + j)]);
    }
    concat.check({whole}, 1e-300);
    OpCase split("split_columns", {{"columns", a}}, dtype);
    split.floats({rows, a + b}, whole).check({concat.inputs()[0], concat.inputs()[1]}, 1e-300);
  }
}

TEST(SwiGluTest, ExtremesAndNotANumber) {
  const double nan = std::nan("");
  OpCase op("swiglu");
  op.floats({1, 5}, {-1000, 1000, nan, 0, 1}).floats({1, 5}, {1, 2, 1, 7, nan});
  op.check({{-0.0, 2000, nan, 0, nan}});
}

}  // namespace
}  // namespace tidemark::test
