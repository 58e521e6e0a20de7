// Masked linear layers and their gradients against float64 with the mask written out.
#include <gtest/gtest.h>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

struct Sizes {
  int64_t rows, inputs, outputs;
};

class MaskedLinearTest : public ::testing::TestWithParam<std::tuple<Sizes, DType, bool, bool>> {
 protected:
  Sizes s = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  bool adds = std::get<2>(GetParam());  ///< whether the optional operands are there
  bool strict = std::get<3>(GetParam());
  std::vector<int32_t> in = degrees(s.inputs, 3), out = degrees(s.outputs, 5);

  /// In no order, ties between the two.
  static std::vector<int32_t> degrees(int64_t n, int64_t step) {
    std::vector<int32_t> list;
    for (int64_t i = 0; i < n; ++i) list.push_back(static_cast<int32_t>((i * step + 1) % (n / 2 + 2)));
    return list;
  }
  bool counts(int64_t output, int64_t input) const {
    const int32_t i = in[static_cast<size_t>(input)], o = out[static_cast<size_t>(output)];
    return strict ? i < o : i <= o;
  }
  OpCase op(const std::string& kind) const { return OpCase(kind, {{"strict", strict}}, dtype); }
  /// m[i, j] with so many columns.
  static double at(const Values& m, int64_t columns, int64_t i, int64_t j) {
    return m[static_cast<size_t>(i * columns + j)];
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, MaskedLinearTest,
                         ::testing::Combine(::testing::Values(Sizes{1, 1, 1}, Sizes{1, 67, 33},
                                                              Sizes{5, 3, 1}, Sizes{37, 130, 17},
                                                              Sizes{70, 700, 65}, Sizes{400, 64, 290}),
                                            ::testing::Values(DType::f32, DType::bf16), ::testing::Bool(),
                                            ::testing::Bool()));

TEST_P(MaskedLinearTest, Forward) {
  OpCase c = op("masked_linear");
  c.random({s.rows, s.inputs}).random({s.outputs, s.inputs}).ints(in).ints(out);
  if (adds) c.random({s.outputs}).random({s.rows, s.outputs});
  Values y;
  for (int64_t row = 0; row < s.rows; ++row)
    for (int64_t o = 0; o < s.outputs; ++o) {
      double sum = adds ? c.inputs()[4][static_cast<size_t>(o)] + at(c.inputs()[5], s.outputs, row, o) : 0;
      for (int64_t i = 0; i < s.inputs; ++i)
        if (counts(o, i)) sum += at(c.inputs()[0], s.inputs, row, i) * at(c.inputs()[1], s.inputs, o, i);
      y.push_back(sum);
    }
  c.check({y});
}

TEST_P(MaskedLinearTest, GradientOfInput) {
  OpCase c = op("masked_linear_grad_input");
  c.random({s.rows, s.outputs}).random({s.outputs, s.inputs}).ints(in).ints(out);
  if (adds) c.random({s.rows, s.inputs});
  Values dx;
  for (int64_t row = 0; row < s.rows; ++row)
    for (int64_t i = 0; i < s.inputs; ++i) {
      double sum = adds ? at(c.inputs()[4], s.inputs, row, i) : 0;
      for (int64_t o = 0; o < s.outputs; ++o)
        if (counts(o, i)) sum += at(c.inputs()[0], s.outputs, row, o) * at(c.inputs()[1], s.inputs, o, i);
      dx.push_back(sum);
    }
  c.check({dx});
}

TEST_P(MaskedLinearTest, GradientOfWeight) {
  OpCase c = op("masked_linear_grad_weight");
  c.random({s.rows, s.outputs}).random({s.rows, s.inputs}).ints(in).ints(out);
  if (adds) c.random({s.outputs, s.inputs});
  Values dw;
  for (int64_t o = 0; o < s.outputs; ++o)
    for (int64_t i = 0; i < s.inputs; ++i) {
      double sum = adds ? at(c.inputs()[4], s.inputs, o, i) : 0;  // of other masks: none of it is masked
      for (int64_t row = 0; row < s.rows && counts(o, i); ++row)
        sum += at(c.inputs()[0], s.outputs, row, o) * at(c.inputs()[1], s.inputs, row, i);
      dw.push_back(sum);
    }
  c.check({dw});
}

// Weights that do not count are stored, and whatever they are they must not show.
TEST(MaskedLinear, WhatIsMaskedMayBeNotANumber) {
  const double nan = std::nan("");
  OpCase c("masked_linear", {{"strict", true}});
  c.floats({1, 2}, {1, 2}).floats({2, 2}, {nan, nan, 3, nan}).ints({0, 1}).ints({0, 1});
  c.check({{0, 3}});
  OpCase d("masked_linear_grad_input", {{"strict", true}});
  d.floats({1, 2}, {1, 2}).floats({2, 2}, {nan, nan, 3, nan}).ints({0, 1}).ints({0, 1});
  d.check({{6, 0}});
}

}  // namespace
}  // namespace tidemark::test
