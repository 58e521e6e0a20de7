// RWKV-4's ops in float64: the shift row by row, the weighted mean as the sum over all earlier rows that
// defines it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

struct Problem {
  int64_t rows, channels, chunk_rows;
  std::vector<int32_t> cu_seqlens;
  double spread = 1;  ///< of the exponents
  DType dtype = DType::f32;

  size_t at(int64_t t, int64_t i) const { return static_cast<size_t>(t * channels + i); }
  int64_t begin(int64_t t) const {  ///< of t's sequence
    return *(std::upper_bound(cu_seqlens.begin(), cu_seqlens.end() - 1, t) - 1);
  }
  int64_t end(int64_t t) const { return *std::upper_bound(cu_seqlens.begin(), cu_seqlens.end() - 1, t); }
  int64_t chunks() const { return (rows + chunk_rows - 1) / chunk_rows; }
  /// An exponent of 160 is known to 1e-5 in float32, and so is what it is the logarithm of.
  double tolerance() const { return dtype == DType::bf16 ? 1e-2 : spread > 1 ? 2e-4 : 2e-5; }
};

class RwkvOps : public ::testing::TestWithParam<Problem> {};
INSTANTIATE_TEST_SUITE_P(Problems, RwkvOps,
                         ::testing::Values(Problem{1, 1, 8, {0, 1}}, Problem{9, 33, 4, {0, 5, 5, 9}},
                                           Problem{70, 64, 64, {0, 3, 17, 64, 70}},
                                           Problem{130, 40, 16, {0, 130}},
                                           Problem{200, 7, 64, {0, 64, 128, 200}, 40},
                                           Problem{90, 35, 32, {0, 60, 90}, 1, DType::bf16},
                                           Problem{90, 48, 32, {0, 33, 64, 90}, 1, DType::bf16}));

TEST_P(RwkvOps, ShiftMixesWithTheRowBefore) {
  const Problem& p = GetParam();
  for (const bool of_previous : {false, true}) {
    OpCase op("token_shift", {{"of_previous", of_previous}}, p.dtype);
    op.random({p.rows, p.channels}).random({1, 1, p.channels}).ints(p.cu_seqlens);
    const Values &x = op.inputs()[0], &mix = op.inputs()[1];
    Values y;
    for (int64_t t = 0; t < p.rows; ++t)
      for (int64_t i = 0; i < p.channels; ++i) {
        const double before = t == p.begin(t) ? 0 : x[p.at(t - 1, i)], m = mix[static_cast<size_t>(i)];
        const double now = x[p.at(t, i)];
        y.push_back(of_previous ? now * (1 - m) + before * m : now * m + before * (1 - m));
      }
    op.check({y});
  }
}

TEST_P(RwkvOps, GradientOfTheShiftAddsToWhatIsThere) {
  const Problem& p = GetParam();
  for (const bool of_previous : {false, true})
    for (const bool adds : {false, true}) {
      OpCase op("token_shift_grad", {{"of_previous", of_previous}}, p.dtype);
      op.random({p.rows, p.channels}).random({p.rows, p.channels}).random({1, 1, p.channels});
      op.ints(p.cu_seqlens);
      adds ? op.random({p.rows, p.channels}) : op.absent();
      const Values &dy = op.inputs()[0], &x = op.inputs()[1], &mix = op.inputs()[2];
      Values dx = adds ? op.inputs()[4] : Values(x.size()), dmix(static_cast<size_t>(p.channels));
      for (int64_t t = 0; t < p.rows; ++t)
        for (int64_t i = 0; i < p.channels; ++i) {
          const auto column = static_cast<size_t>(i);
          const double share = of_previous ? mix[column] : 1 - mix[column], d = dy[p.at(t, i)];
          const bool begins = t == p.begin(t);
          dx[p.at(t, i)] += d * (1 - share);
          if (!begins) dx[p.at(t - 1, i)] += d * share;
          const double slope = (begins ? 0 : x[p.at(t - 1, i)]) - x[p.at(t, i)];
          dmix[column] += d * (of_previous ? slope : -slope);
        }
      op.check({dx, dmix});
    }
}

/// k, v, time_decay, time_first of a case.
struct Oracle {
  const Problem& p;
  const Values &k, &v, &time_decay, &time_first;

  /// Of row s in the mean of row t.
  double exponent(int64_t t, int64_t s, int64_t i) const {
    const double decay = std::exp(time_decay[static_cast<size_t>(i)]);
    return s == t ? k[p.at(t, i)] + time_first[static_cast<size_t>(i)]
                  : k[p.at(s, i)] - static_cast<double>(t - 1 - s) * decay;
  }
  /// What the weights of row t add up to, and y; both with the largest exponent split off.
  struct Row {
    double largest = -1e300, weights = 0, y = 0;
  };
  Row row(int64_t t, int64_t i) const {
    Row r;
    for (int64_t s = p.begin(t); s <= t; ++s) r.largest = std::max(r.largest, exponent(t, s, i));
    for (int64_t s = p.begin(t); s <= t; ++s) {
      const double weight = std::exp(exponent(t, s, i) - r.largest);
      r.weights += weight;
      r.y += weight * v[p.at(s, i)];
    }
    r.y /= r.weights;
    return r;
  }
  Values states() const {
    Values states(static_cast<size_t>(p.chunks() * 3 * p.channels));
    for (int64_t chunk = 0; chunk < p.chunks(); ++chunk)
      for (int64_t i = 0; i < p.channels; ++i) {
        const auto at = [&](int64_t which) -> double& {
          return states[static_cast<size_t>((chunk * 3 + which) * p.channels + i)];
        };
        const int64_t t = chunk * p.chunk_rows;  // sums of what ends before it, in the sequence of row t - 1
        at(2) = -1e30;
        if (t == 0) continue;
        for (int64_t s = p.begin(t - 1); s < t; ++s) at(2) = std::max(at(2), exponent(t, s, i));
        for (int64_t s = p.begin(t - 1); s < t; ++s) {
          const double weight = std::exp(exponent(t, s, i) - at(2));
          at(0) += weight * v[p.at(s, i)];
          at(1) += weight;
        }
      }
    return states;
  }
  /// Of the definition y = sum of softmax(exponent)(s) v(s).
  std::vector<Values> backward(const Values& dy) const {
    const auto channels = static_cast<size_t>(p.channels);
    Values dk(k.size()), dv(v.size()), ddecay(channels), dfirst(channels);
    for (int64_t t = 0; t < p.rows; ++t)
      for (int64_t i = 0; i < p.channels; ++i) {
        const auto column = static_cast<size_t>(i);
        const Row r = row(t, i);
        for (int64_t s = p.begin(t); s <= t; ++s) {
          const double share = std::exp(exponent(t, s, i) - r.largest) / r.weights;
          const double dexponent = dy[p.at(t, i)] * share * (v[p.at(s, i)] - r.y);
          dv[p.at(s, i)] += dy[p.at(t, i)] * share;
          dk[p.at(s, i)] += dexponent;
          if (s == t)
            dfirst[column] += dexponent;
          else
            ddecay[column] -= dexponent * static_cast<double>(t - 1 - s) * std::exp(time_decay[column]);
        }
      }
    return {dk, dv, ddecay, dfirst};
  }
};

void add_operands(OpCase& op, const Problem& p) {
  op.random({p.rows, p.channels}, p.spread).random({p.rows, p.channels});
  Values decay, first;
  for (int64_t i = 0; i < p.channels; ++i) {
    decay.push_back(-5 + 7.5 * static_cast<double>(i) / static_cast<double>(p.channels));
    first.push_back(p.spread * std::sin(static_cast<double>(i)));
  }
  op.f32({p.channels}, decay).f32({p.channels}, first);
}

TEST_P(RwkvOps, WeightedMean) {
  const Problem& p = GetParam();
  OpCase op("wkv", {{"chunk_rows", p.chunk_rows}}, p.dtype);
  add_operands(op, p);
  op.ints(p.cu_seqlens);
  const Oracle oracle{p, op.inputs()[0], op.inputs()[1], op.inputs()[2], op.inputs()[3]};
  Values y;
  for (int64_t t = 0; t < p.rows; ++t)
    for (int64_t i = 0; i < p.channels; ++i) y.push_back(oracle.row(t, i).y);
  // The states' third rows may be of the size of 1e30: they are compared by what they stand for, in Gradient.
  const std::vector<Values> outputs = op.run({.threads = 2});
  ASSERT_EQ(outputs[1].size(), oracle.states().size());
  op.check({y, outputs[1]}, p.tolerance());
}

TEST_P(RwkvOps, GradientOfTheWeightedMean) {
  const Problem& p = GetParam();
  OpCase op("wkv_grad", {{"chunk_rows", p.chunk_rows}}, p.dtype);
  op.random({p.rows, p.channels});
  add_operands(op, p);
  const Oracle oracle{p, op.inputs()[1], op.inputs()[2], op.inputs()[3], op.inputs()[4]};
  op.f32({p.chunks(), 3, p.channels}, oracle.states()).ints(p.cu_seqlens);
  op.check(oracle.backward(op.inputs()[0]), p.tolerance());
}

// The states that the forward op saves are those that the gradient was held to above.
TEST_P(RwkvOps, SavedStatesAreTheSums) {
  const Problem& p = GetParam();
  OpCase op("wkv", {{"chunk_rows", p.chunk_rows}}, p.dtype);
  add_operands(op, p);
  op.ints(p.cu_seqlens);
  const Values expected = Oracle{p, op.inputs()[0], op.inputs()[1], op.inputs()[2], op.inputs()[3]}.states();
  const Values states = op.run({})[1];
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(states[i], expected[i], 1e-4 * std::max(1.0, std::abs(expected[i]))) << i;
}

}  // namespace
}  // namespace tidemark::test
