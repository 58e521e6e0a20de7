// Retention against its parallel form in float64; and its own chunkwise form against parallel and recurrent
// ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

struct Problem {
  int64_t rows, heads, keys, values, chunk_rows;
  std::vector<int32_t> cu_seqlens;
  double scale = 0.4;
  DType dtype = DType::f32;

  size_t key(int64_t t, int64_t h, int64_t i) const {
    return static_cast<size_t>((t * heads + h) * keys + i);
  }
  size_t value(int64_t t, int64_t h, int64_t i) const {
    return static_cast<size_t>((t * heads + h) * values + i);
  }
  int64_t begin(int64_t t) const {  ///< of t's sequence
    return *(std::upper_bound(cu_seqlens.begin(), cu_seqlens.end() - 1, t) - 1);
  }
  std::vector<double> decays() const {
    std::vector<double> d;
    for (int64_t h = 0; h < heads; ++h) d.push_back(1 - std::exp2(-2 - static_cast<double>(h)));
    return d;
  }
  Attributes attributes() const {
    return {{"decays", decays()}, {"scale", scale}, {"chunk_rows", chunk_rows}};
  }
  double on_devices() const { return dtype == DType::bf16 ? 1.6e-2 : 0; }
  int64_t chunks() const { return (rows + chunk_rows - 1) / chunk_rows; }
};

/// q, k and v of a case.
struct Oracle {
  const Problem& p;
  const Values &q, &k, &v;

  double decay(int64_t h, int64_t steps) const {
    return std::pow(p.decays()[static_cast<size_t>(h)], static_cast<double>(steps));
  }
  double score(int64_t h, int64_t t, int64_t s) const {
    double dot = 0;
    for (int64_t i = 0; i < p.keys; ++i) dot += q[p.key(t, h, i)] * k[p.key(s, h, i)];
    return p.scale * dot * decay(h, t - s);
  }
  double normalizer(int64_t h, int64_t t) const {
    double scores = 0, decays = 0;
    for (int64_t s = p.begin(t); s <= t; ++s) {
      scores += score(h, t, s);
      decays += decay(h, t - s);
    }
    const double root = std::sqrt(decays);
    return 1 / (root * std::clamp(std::abs(scores) / root, 1.0, 5e4));
  }
  /// The parallel form, and the states of the recurrent one.
  std::vector<Values> forward() const {
    Values o(v.size()), n, states(static_cast<size_t>(p.chunks() * p.heads * p.keys * (p.values + 1)));
    for (int64_t t = 0; t < p.rows; ++t)
      for (int64_t h = 0; h < p.heads; ++h) {
        n.push_back(normalizer(h, t));
        for (int64_t s = p.begin(t); s <= t; ++s)
          for (int64_t i = 0; i < p.values; ++i)
            o[p.value(t, h, i)] += n.back() * score(h, t, s) * v[p.value(s, h, i)];
      }
    for (int64_t chunk = 1; chunk < p.chunks(); ++chunk) {
      const int64_t last = chunk * p.chunk_rows - 1;
      for (int64_t h = 0; h < p.heads; ++h)
        for (int64_t s = p.begin(last); s <= last; ++s)
          for (int64_t i = 0; i < p.keys; ++i)
            for (int64_t j = 0; j <= p.values; ++j)
              states[static_cast<size_t>(((chunk * p.heads + h) * p.keys + i) * (p.values + 1) + j)] +=
                  decay(h, last - s) * p.scale * k[p.key(s, h, i)] * (j < p.values ? v[p.value(s, h, j)] : 1);
    }
    return {o, n, states};
  }
  std::vector<Values> backward(const Values& dout, const Values& n) const {
    Values dq(q.size()), dk(k.size()), dv(v.size());
    for (int64_t t = 0; t < p.rows; ++t)
      for (int64_t h = 0; h < p.heads; ++h) {
        const double factor = n[static_cast<size_t>(t * p.heads + h)];
        for (int64_t s = p.begin(t); s <= t; ++s) {
          double dscore = 0;
          for (int64_t i = 0; i < p.values; ++i) {
            const double d = factor * dout[p.value(t, h, i)];
            dscore += d * v[p.value(s, h, i)];
            dv[p.value(s, h, i)] += d * score(h, t, s);
          }
          dscore *= p.scale * decay(h, t - s);
          for (int64_t i = 0; i < p.keys; ++i) {
            dq[p.key(t, h, i)] += dscore * k[p.key(s, h, i)];
            dk[p.key(s, h, i)] += dscore * q[p.key(t, h, i)];
          }
        }
      }
    return {dq, dk, dv};
  }
};

void add_operands(OpCase& op, const Problem& p) {
  op.random({p.rows, p.heads * p.keys}).random({p.rows, p.heads * p.keys});
  op.random({p.rows, p.heads * p.values});
}

class RetentionTest : public ::testing::TestWithParam<Problem> {};
INSTANTIATE_TEST_SUITE_P(Problems, RetentionTest,
                         ::testing::Values(Problem{1, 1, 1, 1, 8, {0, 1}},
                                           Problem{9, 2, 4, 3, 4, {0, 5, 5, 9}},
                                           Problem{70, 3, 6, 10, 512, {0, 3, 17, 64, 70}},
                                           Problem{150, 2, 34, 40, 128, {0, 150}},
                                           Problem{140, 2, 8, 8, 70, {0, 60, 140}, 3.0},
                                           Problem{130, 1, 16, 33, 64, {0, 100, 130}, 0.4, DType::bf16},
                                           // On tensor cores.
                                           Problem{150, 2, 24, 40, 100, {0, 9, 9, 150}, 0.4, DType::bf16},
                                           Problem{150, 1, 128, 88, 130, {0, 140, 150}, 0.1, DType::bf16},
                                           Problem{70, 1, 136, 72, 512, {0, 33, 70}, 0.1, DType::bf16},
                                           Problem{70, 1, 8, 264, 40, {0, 70}, 1.0, DType::bf16}));

TEST_P(RetentionTest, Forward) {
  const Problem& p = GetParam();
  OpCase op("retention", p.attributes(), p.dtype);
  add_operands(op, p);
  op.ints(p.cu_seqlens);
  op.check(Oracle{p, op.inputs()[0], op.inputs()[1], op.inputs()[2]}.forward(),
           p.dtype == DType::bf16 ? 8e-3 : 1e-4, p.on_devices());
}

TEST_P(RetentionTest, Gradient) {
  const Problem& p = GetParam();
  OpCase op("retention_grad", p.attributes(), p.dtype);
  op.random({p.rows, p.heads * p.values});
  add_operands(op, p);
  const Oracle oracle{p, op.inputs()[1], op.inputs()[2], op.inputs()[3]};
  const std::vector<Values> forward = oracle.forward();
  op.f32({p.rows, p.heads}, forward[1]);
  op.f32({p.chunks(), p.heads, p.keys, p.values + 1}, forward[2]).ints(p.cu_seqlens);
  op.check(oracle.backward(op.inputs()[0], op.inputs()[4]), p.dtype == DType::bf16 ? 8e-3 : 1e-4,
           p.on_devices());
}

// Recurrent: a chunk a row. Parallel: one chunk for all.
TEST(Retention, FormsAreEqual) {
  const std::vector<int32_t> cu_seqlens = {0, 23, 60};
  std::vector<Values> forms;
  for (const int64_t chunk_rows : {1, 7, 60}) {
    const Problem p{60, 2, 8, 12, chunk_rows, cu_seqlens};
    OpCase op("retention", p.attributes());
    add_operands(op, p);
    forms.push_back(op.ints(cu_seqlens).run({})[0]);
  }
  for (size_t form = 1; form < forms.size(); ++form)
    for (size_t i = 0; i < forms[0].size(); ++i) ASSERT_NEAR(forms[form][i], forms[0][i], 1e-5) << i;
}

}  // namespace
}  // namespace tidemark::test
