// Mamba's selective scan and its gradient against the recurrence in float64.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "tests/executor/recurrence_oracle.h"

namespace tidemark::test {
namespace {

struct Problem {
  int64_t rows, channels, states, chunk_rows;
  std::vector<int32_t> cu_seqlens;
  DType dtype = DType::f32;
  int64_t first = 2, beyond = 1;  ///< columns of z around those of the op
};

int64_t z_columns(const Problem& p) {
  return p.first + p.channels + p.beyond;
}

/// u, dt, bc, z, A_log, D, dt_bias after the operands that `op` has already.
void add_operands(OpCase& op, const Problem& p) {
  op.random({p.rows, p.channels}).random({p.rows, p.channels}).random({p.rows, 2 * p.states});
  op.random({p.rows, z_columns(p)});
  Values a_log, d, dt_bias;
  for (int64_t i = 0; i < p.channels * p.states; ++i) a_log.push_back(std::log(1.0 + i % p.states) - 1);
  for (int64_t i = 0; i < p.channels; ++i) {
    d.push_back(1 - 0.1 * static_cast<double>(i % 7));
    dt_bias.push_back(-2 + 0.3 * static_cast<double>(i % 5));
  }
  op.f32({p.channels, p.states}, a_log).f32({p.channels}, d).f32({p.channels}, dt_bias);
}

/// The oracle of a case whose operands begin at `first`.
class Oracle {
 public:
  Oracle(const Problem& p, const OpCase& op, size_t first) : p_(p), in_(op.inputs()), first_(first) {
    r_ = {p.rows, p.channels, p.states, 1, p.cu_seqlens, {}, input(0), {}, {}, {}, input(5)};
    for (size_t i = 0; i < input(1).size(); ++i)
      r_.delta.push_back(softplus(input(1)[i] + input(6)[i % static_cast<size_t>(p.channels)]));
    for (int64_t t = 0; t < p.rows; ++t)
      for (int64_t n = 0; n < 2 * p.states; ++n)
        (n < p.states ? r_.b : r_.c).push_back(input(2)[static_cast<size_t>(2 * p.states * t + n)]);
    for (const double x : input(4)) r_.a.push_back(-std::exp(x));
    result_ = r_.run();
  }

  std::vector<Values> forward() const {
    Values y(result_.y), states;
    for (int64_t t = 0; t < p_.rows; ++t)
      for (int64_t e = 0; e < p_.channels; ++e) y[r_.at(t, e)] *= z(t, e) * sigmoid(z(t, e));
    for (int64_t t = 0; t < p_.rows; t += p_.chunk_rows)
      for (int64_t n = 0; n < p_.states; ++n)
        for (int64_t e = 0; e < p_.channels; ++e)
          states.push_back(t == 0 ? 0 : result_.states[r_.at(t - 1, e, n)]);
    return {y, states};
  }

  /// Given dy and what the gradient of z is added to.
  std::vector<Values> backward(const Values& dy, Values dz) const {
    Values dgated(dy);
    for (int64_t t = 0; t < p_.rows; ++t)
      for (int64_t e = 0; e < p_.channels; ++e) {
        dgated[r_.at(t, e)] *= z(t, e) * sigmoid(z(t, e));
        dz[z_at(t, e)] += dy[r_.at(t, e)] * result_.y[r_.at(t, e)] * silu_slope(z(t, e));
      }
    Recurrence::Gradient g = r_.differentiate(result_, dgated);
    Values dbc, ddt_bias(static_cast<size_t>(p_.channels));
    for (int64_t t = 0; t < p_.rows; ++t)
      for (int64_t n = 0; n < 2 * p_.states; ++n)
        dbc.push_back(n < p_.states ? g.b[static_cast<size_t>(t * p_.states + n)]
                                    : g.c[static_cast<size_t>(t * p_.states + n - p_.states)]);
    for (size_t i = 0; i < g.delta.size(); ++i) {
      const size_t e = i % static_cast<size_t>(p_.channels);
      g.delta[i] *= sigmoid(input(1)[i] + input(6)[e]);
      ddt_bias[e] += g.delta[i];
    }
    for (size_t i = 0; i < g.a.size(); ++i) g.a[i] *= r_.a[i];
    return {g.u, g.delta, dbc, dz, g.a, g.d_sum, ddt_bias};
  }

 private:
  const Values& input(size_t i) const { return in_[first_ + i]; }
  size_t z_at(int64_t t, int64_t e) const { return static_cast<size_t>(t * z_columns(p_) + p_.first + e); }
  double z(int64_t t, int64_t e) const { return input(3)[z_at(t, e)]; }

  const Problem& p_;
  const Operands& in_;
  size_t first_;
  Recurrence r_;
  Recurrence::Result result_;
};

Attributes attributes(const Problem& p) {
  return {{"chunk_rows", p.chunk_rows}, {"first_column", p.first}};
}

class SelectiveScanTest : public ::testing::TestWithParam<Problem> {};

INSTANTIATE_TEST_SUITE_P(Problems, SelectiveScanTest,
                         ::testing::Values(Problem{1, 1, 1, 64, {0, 1}}, Problem{5, 3, 2, 64, {0, 5, 5}},
                                           Problem{70, 33, 5, 64, {0, 3, 3, 17, 64, 70}},
                                           Problem{50, 40, 16, 7, {0, 28, 29, 50}},
                                           Problem{130, 64, 8, 64, {0, 130}},
                                           Problem{129, 70, 3, 64, {0, 60, 129}, DType::bf16},
                                           Problem{20, 16, 16, 1, {0, 11, 20}, DType::bf16},
                                           Problem{40, 20, 20, 64, {0, 9, 40}, DType::bf16},
                                           // In rows of whole pieces.
                                           Problem{150, 100, 16, 64, {0, 5, 80, 150}, DType::f32, 4, 4},
                                           Problem{150, 72, 12, 48, {0, 96, 150}, DType::bf16, 8, 0}));

TEST_P(SelectiveScanTest, Forward) {
  const Problem& p = GetParam();
  OpCase op("selective_scan", attributes(p), p.dtype);
  add_operands(op, p);
  op.ints(p.cu_seqlens);
  op.check(Oracle(p, op, 0).forward());
}

TEST_P(SelectiveScanTest, Gradient) {
  const Problem& p = GetParam();
  for (const bool accumulates : {false, true}) {
    OpCase op("selective_scan_grad", attributes(p), p.dtype);
    op.random({p.rows, p.channels});
    add_operands(op, p);
    const Oracle oracle(p, op, 1);
    const int64_t chunks = (p.rows + p.chunk_rows - 1) / p.chunk_rows;
    op.f32({chunks, p.states, p.channels}, oracle.forward()[1]).ints(p.cu_seqlens);
    Values dz(static_cast<size_t>(p.rows * z_columns(p)));
    if (accumulates) dz = op.random({p.rows, z_columns(p)}).inputs().back();
    op.check(oracle.backward(op.inputs()[0], dz), p.dtype == DType::bf16 ? 8e-3 : 2e-5);
  }
}

TEST(SelectiveScan, StaysExactOverALongSequence) {
  const Problem p{16384, 3, 2, 64, {0, 9000, 16384}};
  OpCase op("selective_scan_grad", attributes(p));
  op.random({p.rows, p.channels});
  add_operands(op, p);
  const Oracle oracle(p, op, 1);
  op.f32({256, p.states, p.channels}, oracle.forward()[1]).ints(p.cu_seqlens);
  op.check(oracle.backward(op.inputs()[0], Values(static_cast<size_t>(p.rows * z_columns(p)))), 1e-4);
}

TEST(SelectiveScan, ChunksThatACacheCannotHoldAreRefused) {
  const Problem p{5, 3, 2, 65, {0, 5}};
  OpCase op("selective_scan", attributes(p));
  add_operands(op, p);
  op.ints(p.cu_seqlens);
  EXPECT_THROW(op.run({}), Error);
}

}  // namespace
}  // namespace tidemark::test
