// Attention with its probabilities in memory, and its gradient, against float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

struct Sizes {
  int64_t sequences, length, heads, kv_heads, dim;
};

class EagerAttentionTest : public ::testing::TestWithParam<std::tuple<Sizes, DType, bool>> {
 protected:
  Sizes s = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  bool causal = std::get<2>(GetParam());
  double scale = 0.3;
  int64_t tokens = s.sequences * s.length;
  Shape wide{tokens, s.heads*s.dim}, narrow{tokens, s.kv_heads*s.dim}, square{tokens * s.heads, s.length};

  OpCase op(const std::string& kind) const {
    return OpCase(kind,
                  {{"heads", s.heads},
                   {"kv_heads", s.kv_heads},
                   {"causal", causal},
                   {"scale", scale},
                   {"length", s.length}},
                  dtype);
  }
  size_t q_at(int64_t sequence, int64_t head, int64_t i, int64_t d) const {
    return static_cast<size_t>(((sequence * s.length + i) * s.heads + head) * s.dim + d);
  }
  size_t kv_at(int64_t sequence, int64_t head, int64_t j, int64_t d) const {
    const int64_t kv_head = head / (s.heads / s.kv_heads);
    return static_cast<size_t>(((sequence * s.length + j) * s.kv_heads + kv_head) * s.dim + d);
  }
  size_t p_at(int64_t sequence, int64_t head, int64_t i, int64_t j) const {
    return static_cast<size_t>(((sequence * s.heads + head) * s.length + i) * s.length + j);
  }
  /// fn(sequence, head, i, number of keys that query i sees).
  template <typename F>
  void each_query(F&& fn) const {
    for (int64_t sequence = 0; sequence < s.sequences; ++sequence)
      for (int64_t head = 0; head < s.heads; ++head)
        for (int64_t i = 0; i < s.length; ++i) fn(sequence, head, i, causal ? i + 1 : s.length);
  }
  Values probabilities(const Values& q, const Values& k) const {
    Values p(static_cast<size_t>(square.elements()));
    each_query([&](int64_t sequence, int64_t head, int64_t i, int64_t keys) {
      Values scores(static_cast<size_t>(keys));
      for (int64_t j = 0; j < keys; ++j)
        for (int64_t d = 0; d < s.dim; ++d)
          scores[static_cast<size_t>(j)] +=
              scale * q[q_at(sequence, head, i, d)] * k[kv_at(sequence, head, j, d)];
      const double top = *std::max_element(scores.begin(), scores.end());
      double total = 0;
      for (const double score : scores) total += std::exp(score - top);
      for (int64_t j = 0; j < keys; ++j)
        p[p_at(sequence, head, i, j)] = std::exp(scores[static_cast<size_t>(j)] - top) / total;
    });
    return p;
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, EagerAttentionTest,
                         ::testing::Combine(::testing::Values(Sizes{1, 1, 1, 1, 3}, Sizes{2, 7, 2, 1, 5},
                                                              Sizes{1, 33, 4, 2, 16}, Sizes{2, 130, 3, 3, 8}),
                                            ::testing::Values(DType::f32, DType::bf16), ::testing::Bool()));

TEST_P(EagerAttentionTest, Forward) {
  OpCase c = op("eager_attention");
  c.random(wide).random(narrow).random(narrow);
  const Values p = probabilities(c.inputs()[0], c.inputs()[1]);
  Values o(c.inputs()[0].size());
  each_query([&](int64_t sequence, int64_t head, int64_t i, int64_t keys) {
    for (int64_t j = 0; j < keys; ++j)
      for (int64_t d = 0; d < s.dim; ++d)
        o[q_at(sequence, head, i, d)] +=
            p[p_at(sequence, head, i, j)] * c.inputs()[2][kv_at(sequence, head, j, d)];
  });
  c.check({o, p}, dtype == DType::bf16 ? 4e-2 : 0);  // bf16 scores are rounded before their exponential
}

TEST_P(EagerAttentionTest, Gradient) {
  OpCase c = op("eager_attention_grad");
  c.random(wide).random(wide).random(narrow).random(narrow);
  c.floats(square, probabilities(c.inputs()[1], c.inputs()[2]));
  const Values &d_o = c.inputs()[0], &q = c.inputs()[1], &k = c.inputs()[2], &v = c.inputs()[3],
               &p = c.inputs()[4];
  Values dq(q.size()), dk(k.size()), dv(v.size());
  each_query([&](int64_t sequence, int64_t head, int64_t i, int64_t keys) {
    Values dp(static_cast<size_t>(keys));
    double mean = 0;
    for (int64_t j = 0; j < keys; ++j) {
      const double weight = p[p_at(sequence, head, i, j)];
      for (int64_t d = 0; d < s.dim; ++d) {
        const double up = d_o[q_at(sequence, head, i, d)];
        dp[static_cast<size_t>(j)] += up * v[kv_at(sequence, head, j, d)];
        dv[kv_at(sequence, head, j, d)] += weight * up;
      }
      mean += weight * dp[static_cast<size_t>(j)];
    }
    for (int64_t j = 0; j < keys; ++j) {
      const double ds = scale * p[p_at(sequence, head, i, j)] * (dp[static_cast<size_t>(j)] - mean);
      for (int64_t d = 0; d < s.dim; ++d) {
        dq[q_at(sequence, head, i, d)] += ds * k[kv_at(sequence, head, j, d)];
        dk[kv_at(sequence, head, j, d)] += ds * q[q_at(sequence, head, i, d)];
      }
    }
  });
  // A device rounds ds before its products.
  c.check({dq, dk, dv}, dtype == DType::bf16 ? 2e-2 : 0);
}

}  // namespace
}  // namespace tidemark::test
