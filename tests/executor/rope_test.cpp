// Rotary embeddings against complex multiplication in float64.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

TEST(RopeTableTest, AnglesOfFarPositionsAreExact) {
  const std::vector<int32_t> positions = {0, 1, 17, 131071};
  const std::vector<double> frequencies = {1.0, 0.7, 1e-3};
  OpCase op("rope_table", {{"frequencies", frequencies}, {"scale", 1.25}});
  op.ints(positions);
  Values expected;
  for (int32_t p : positions) {
    for (double f : frequencies) expected.push_back(1.25 * std::cos(p * f));
    for (double f : frequencies) expected.push_back(1.25 * std::sin(p * f));
  }
  op.check({expected}, 1e-7);
}

class RopeTest : public ::testing::TestWithParam<std::tuple<int64_t, DType, bool, bool>> {};

INSTANTIATE_TEST_SUITE_P(Pairs, RopeTest,
                         ::testing::Combine(::testing::Values<int64_t>(1, 5, 8, 20, 32),
                                            ::testing::Values(DType::f32, DType::bf16), ::testing::Bool(),
                                            ::testing::Bool()));

TEST_P(RopeTest, TurnsPairsAndLeavesTheRest) {
  const auto [pairs, dtype, inverse, interleaved] = GetParam();
  for (const auto& [rest, first] : {std::pair<int64_t, int64_t>{0, 0}, {3, 0}, {3, 2}, {16, 0}, {24, 8}}) {
    const int64_t tokens = 41, heads = 3, dim = 2 * pairs + rest;
    OpCase op("rope",
              {{"heads", heads}, {"inverse", inverse}, {"interleaved", interleaved}, {"first_column", first}},
              dtype);
    op.random({tokens, heads * dim});
    Values table;
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t i = 0; i < pairs; ++i) table.push_back(std::cos(0.3 * static_cast<double>(t * (i + 1))));
      for (int64_t i = 0; i < pairs; ++i) table.push_back(std::sin(0.3 * static_cast<double>(t * (i + 1))));
    }
    op.f32({tokens, 2 * pairs}, table);
    Values expected = op.inputs()[0];
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < pairs; ++i) {
          const auto at = static_cast<size_t>((t * heads + h) * dim + first + (interleaved ? 2 * i : i));
          const auto other = at + (interleaved ? 1 : static_cast<size_t>(pairs));
          const double angle = 0.3 * static_cast<double>(t * (i + 1));
          const auto turned =
              std::complex(expected[at], expected[other]) * std::polar(1.0, inverse ? -angle : angle);
          expected[at] = turned.real();
          expected[other] = turned.imag();
        }
    op.check({expected});
  }
}

}  // namespace
}  // namespace tidemark::test
