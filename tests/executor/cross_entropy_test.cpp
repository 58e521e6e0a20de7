// The fused last layer, loss and gradients against float64.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

constexpr int32_t kIgnored = -100;

struct Case {
  int64_t tokens, hidden, vocabulary, chunk_rows;
  bool bias, accumulates;
  double smoothing = 0;

  Attributes attributes(Attributes more = {}) const {
    more.set("chunk_rows", chunk_rows);
    if (smoothing > 0) more.set("label_smoothing", smoothing);
    return more;
  }
};

struct Reference {
  double loss = 0;
  Values dh, dweight, dbias;
};

/// Softmax in float64 from whole logits. Inputs 0, 1, 3: h, weight, bias.
Reference reference(const Case& c, const OpCase& op, const std::vector<int32_t>& labels, double scale) {
  const auto at = [](const Values& v, int64_t i, int64_t ld, int64_t j) {
    return v[static_cast<size_t>(i * ld + j)];
  };
  const Values &h = op.inputs()[0], &w = op.inputs()[1];
  Reference r;
  r.dh.assign(h.size(), 0);
  r.dweight.assign(w.size(), 0);
  r.dbias.assign(static_cast<size_t>(c.bias ? c.vocabulary : 0), 0);
  int64_t counted = 0;
  for (int32_t label : labels) counted += label != kIgnored;
  for (int64_t t = 0; t < c.tokens; ++t) {
    const int32_t label = labels[static_cast<size_t>(t)];
    if (label == kIgnored) continue;
    Values z;
    for (int64_t v = 0; v < c.vocabulary; ++v) {
      double logit = c.bias ? op.inputs()[3][static_cast<size_t>(v)] : 0;
      for (int64_t k = 0; k < c.hidden; ++k) logit += at(h, t, c.hidden, k) * at(w, v, c.hidden, k);
      z.push_back(logit);
    }
    const double top = *std::max_element(z.begin(), z.end());
    double sum = 0;
    for (double logit : z) sum += std::exp(logit - top);
    for (int64_t v = 0; v < c.vocabulary; ++v) {
      const double target =
          (v == label ? 1 - c.smoothing : 0) + c.smoothing / static_cast<double>(c.vocabulary);
      r.loss += target * (std::log(sum) + top - z[static_cast<size_t>(v)]) / static_cast<double>(counted);
      const double d =
          scale / static_cast<double>(counted) * (std::exp(z[static_cast<size_t>(v)] - top) / sum - target);
      if (c.bias) r.dbias[static_cast<size_t>(v)] += d;
      for (int64_t k = 0; k < c.hidden; ++k) {
        r.dh[static_cast<size_t>(t * c.hidden + k)] += d * at(w, v, c.hidden, k);
        r.dweight[static_cast<size_t>(v * c.hidden + k)] += d * at(h, t, c.hidden, k);
      }
    }
  }
  return r;
}

std::vector<int32_t> some_labels(const Case& c) {
  std::vector<int32_t> labels;
  for (int64_t t = 0; t < c.tokens; ++t)
    labels.push_back(t % 5 == 3 ? kIgnored : static_cast<int32_t>((t * 31 + 7) % c.vocabulary));
  return labels;
}

void add_inputs(OpCase& op, const Case& c, const std::vector<int32_t>& labels) {
  op.random({c.tokens, c.hidden}).random({c.vocabulary, c.hidden}, 0.3).ints(labels);
  c.bias ? op.random({c.vocabulary}) : op.absent();
}

class CrossEntropyTest : public ::testing::TestWithParam<std::tuple<Case, DType>> {
 protected:
  Case c = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
};

INSTANTIATE_TEST_SUITE_P(
    Shapes, CrossEntropyTest,
    ::testing::Combine(::testing::Values(Case{1, 1, 1, 4, false, false}, Case{1, 9, 40, 1, true, false},
                                         Case{7, 33, 50, 3, true, true}, Case{40, 16, 1024, 40, false, true},
                                         Case{65, 300, 257, 16, false, false},
                                         Case{90, 64, 700, 1000, true, true},
                                         Case{70, 24, 333, 20, true, true, 0.1},
                                         Case{9, 16, 61, 9, false, false, 0.7}),
                       ::testing::Values(DType::f32, DType::bf16)));

TEST_P(CrossEntropyTest, Loss) {
  const auto labels = some_labels(c);
  OpCase op("linear_cross_entropy", c.attributes(), dtype);
  add_inputs(op, c, labels);
  op.check({{reference(c, op, labels, 1).loss}}, 1e-5);
}

TEST_P(CrossEntropyTest, LossAndGradients) {
  const auto labels = some_labels(c);
  OpCase op("linear_cross_entropy_grad", c.attributes({{"grad_scale", 0.25}}), dtype);
  add_inputs(op, c, labels);
  if (c.accumulates) op.random({c.vocabulary, c.hidden}, 0.01);
  if (c.accumulates && c.bias) op.random({c.vocabulary}, 0.01);
  Reference r = reference(c, op, labels, 0.25);
  for (size_t i = 0; c.accumulates && i < r.dweight.size(); ++i) r.dweight[i] += op.inputs()[4][i];
  for (size_t i = 0; c.accumulates && i < r.dbias.size(); ++i) r.dbias[i] += op.inputs()[5][i];
  op.check({{r.loss}, r.dh, r.dweight, r.dbias}, dtype == DType::bf16 ? 2e-2 : 2e-5);
}

TEST(CrossEntropyTest, WithoutLabelsThereIsNoLossAndNoGradient) {
  const Case c{5, 8, 20, 2, true, false};
  const std::vector<int32_t> labels(5, kIgnored);
  OpCase op("linear_cross_entropy_grad", {{"chunk_rows", c.chunk_rows}, {"grad_scale", 1.0}});
  add_inputs(op, c, labels);
  op.random({20, 8}).random({20});
  op.check({{0}, Values(5 * 8), op.inputs()[4], op.inputs()[5]}, 1e-300);
}

TEST(CrossEntropyTest, LogitsOfAnySizeDoNotOverflow) {
  const Case c{2, 1, 3, 2, false, false};
  OpCase op("linear_cross_entropy_grad", {{"chunk_rows", c.chunk_rows}, {"grad_scale", 1.0}});
  op.floats({2, 1}, {1e4, -1e4}).floats({3, 1}, {1, 0, -1}).ints({0, 0});
  op.check({{1e4}, {0, -1}, {5000, 0, -5000}, {}}, 1e-6);
}

TEST(CrossEntropyTest, NotANumberShowsInTheLoss) {
  OpCase op("linear_cross_entropy", {{"chunk_rows", int64_t{2}}});
  op.floats({2, 1}, {1, std::nan("")}).random({3, 1}).ints({0, 0}).check({{std::nan("")}});
}

TEST(CrossEntropyTest, RefusesLabelsOutsideTheVocabulary) {
  for (int32_t label : {-1, 3}) {
    OpCase op("linear_cross_entropy", {{"chunk_rows", int64_t{2}}});
    op.random({1, 2}).random({3, 2}).ints({label});
    EXPECT_THROW(op.run({}), Error) << label;
  }
}

}  // namespace
}  // namespace tidemark::test
