// Embedding and its gradient, with ids that repeat.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

/// Tokens of a few ids often and most never, as in text.
std::vector<int32_t> skewed_ids(int64_t tokens, int64_t vocabulary) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < tokens; ++i) ids.push_back(static_cast<int32_t>(i * i * i % 11 % vocabulary));
  if (tokens > 1) ids[1] = static_cast<int32_t>(vocabulary - 1);
  return ids;
}

class EmbeddingTest : public ::testing::TestWithParam<std::tuple<int64_t, int64_t, DType>> {
 protected:
  int64_t tokens = std::get<0>(GetParam()), columns = std::get<1>(GetParam()), vocabulary = 300;
  DType dtype = std::get<2>(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Shapes, EmbeddingTest,
                         ::testing::Combine(::testing::Values<int64_t>(1, 7, 500),
                                            ::testing::Values<int64_t>(1, 33, 256),
                                            ::testing::Values(DType::f32, DType::bf16)));

TEST_P(EmbeddingTest, Forward) {
  const auto ids = skewed_ids(tokens, vocabulary);
  OpCase op("embedding", {}, dtype);
  op.ints(ids).random({vocabulary, columns});
  Values expected;
  for (int32_t id : ids)
    for (int64_t j = 0; j < columns; ++j)
      expected.push_back(op.inputs()[1][static_cast<size_t>(id * columns + j)]);
  op.check({expected}, 1e-300);
}

TEST_P(EmbeddingTest, GradientAddsUpWhereIdsRepeat) {
  const auto ids = skewed_ids(tokens, vocabulary);
  for (bool accumulates : {false, true}) {
    OpCase op("embedding_grad", {{"vocabulary", vocabulary}}, dtype);
    op.ints(ids).random({tokens, columns});
    if (accumulates) op.random({vocabulary, columns});
    Values expected = accumulates ? op.inputs()[2] : Values(static_cast<size_t>(vocabulary * columns));
    for (size_t i = 0; i < ids.size(); ++i)
      for (int64_t j = 0; j < columns; ++j)
        expected[static_cast<size_t>(ids[i] * columns + j)] +=
            op.inputs()[1][i * static_cast<size_t>(columns) + static_cast<size_t>(j)];
    op.check({expected});
  }
}

TEST_P(EmbeddingTest, ScalesRowsAndTheirGradient) {
  const auto ids = skewed_ids(tokens, vocabulary);
  OpCase op("embedding", {{"scale", 1.75}}, dtype);
  op.ints(ids).random({vocabulary, columns});
  OpCase grad("embedding_grad", {{"vocabulary", vocabulary}, {"scale", 1.75}}, dtype);
  grad.ints(ids).random({tokens, columns}).random({vocabulary, columns});
  Values expected, gradient = grad.inputs()[2];
  for (size_t i = 0; i < ids.size(); ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const auto at = static_cast<size_t>(ids[i] * columns + j);
      expected.push_back(1.75 * op.inputs()[1][at]);
      gradient[at] += 1.75 * grad.inputs()[1][i * static_cast<size_t>(columns) + static_cast<size_t>(j)];
    }
  op.check({expected});
  grad.check({gradient});
}

// In bf16, 256 + 1 is 256: adding one at a time would stay there.
TEST(EmbeddingTest, GradientRoundsOnce) {
  OpCase op("embedding_grad", {{"vocabulary", int64_t{2}}}, DType::bf16);
  op.ints(std::vector<int32_t>(256, 1)).floats({256, 1}, Values(256, 1.0)).floats({2, 1}, {3, 256});
  op.check({{3, 512}}, 1e-300);
}

TEST(SinusoidalPositionsTest, FarPositionsAreExact) {
  const std::vector<int32_t> positions = {0, 1, 2, 3, 17, 100000};
  for (int64_t columns : {1, 7, 128}) {
    OpCase op("sinusoidal_positions", {{"base", 10000.0}});
    op.random({static_cast<int64_t>(positions.size()), columns}).ints(positions);
    Values expected = op.inputs()[0];
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto column = static_cast<int64_t>(i) % columns;
      const double frequency =
          std::pow(10000.0, -static_cast<double>(column / 2 * 2) / static_cast<double>(columns));
      const double angle = positions[i / static_cast<size_t>(columns)] * frequency;
      expected[i] += column % 2 ? std::cos(angle) : std::sin(angle);
    }
    op.check({expected}, 5e-7);
  }
}

TEST(EmbeddingTest, RefusesIdsOutsideTheVocabulary) {
  for (int32_t id : {-1, 4, -100}) {
    OpCase op("embedding");
    op.ints({0, id}).random({4, 2});
    EXPECT_THROW(op.run({}), Error) << id;
  }
}

}  // namespace
}  // namespace tidemark::test
