// RWKV-7's ops in float64: the recurrence as it is written down, every state of it kept, and its adjoint.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

struct Problem {
  int64_t rows, heads, columns, chunk_rows;
  std::vector<int32_t> cu_seqlens;
  DType dtype = DType::f32;
  double w_scale = 1;

  int64_t channels() const { return heads * columns; }
  int64_t chunks() const { return (rows + chunk_rows - 1) / chunk_rows; }
  bool begins(int64_t t) const {
    return std::find(cu_seqlens.begin(), cu_seqlens.end() - 1, t) != cu_seqlens.end() - 1;
  }
  size_t at(int64_t t, int64_t head, int64_t i) const {
    return static_cast<size_t>((t * heads + head) * columns + i);
  }
  size_t channel(int64_t head, int64_t i) const { return static_cast<size_t>(head * columns + i); }
  Attributes attributes() const { return {{"heads", heads}, {"chunk_rows", chunk_rows}}; }
};

class Rwkv7Ops : public ::testing::TestWithParam<Problem> {};
INSTANTIATE_TEST_SUITE_P(Problems, Rwkv7Ops,
                         ::testing::Values(Problem{1, 1, 1, 8, {0, 1}}, Problem{9, 2, 5, 4, {0, 5, 5, 9}},
                                           Problem{70, 3, 16, 64, {0, 3, 17, 64, 70}},
                                           Problem{130, 1, 64, 16, {0, 130}},
                                           Problem{100, 2, 24, 64, {0, 64, 99, 100, 100}},
                                           Problem{90, 2, 40, 32, {0, 60, 90}, DType::bf16},
                                           Problem{70, 1, 64, 40, {0, 7, 7, 57, 70}, DType::bf16, 3},
                                           Problem{130, 1, 24, 64, {0, 130}, DType::bf16},
                                           Problem{40, 1, 9, 16, {0, 40}, DType::bf16}));

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

/// Of one head.
class Oracle {
 public:
  /// in: r, w, k, v, a, k_k, k_a.
  Oracle(const Problem& problem, int64_t head, const Operands& operands, size_t first)
      : p_(problem), head_(head), n_(problem.columns), in_(operands), first_(first) {
    states_.assign(static_cast<size_t>((p_.rows + 1) * n_ * n_), 0);
    for (int64_t t = 0; t < p_.rows; ++t) {
      const Row row = at(t);
      for (int64_t i = 0; i < n_; ++i) {
        const double along = product(before(t), i, row.direction);
        for (int64_t j = 0; j < n_; ++j)
          states_[entry(t + 1, i, j)] = entry_of(before(t), i, j) * row.decay[u(j)] -
                                        along * row.direction[u(j)] * row.rate[u(j)] +
                                        operand(3, t, i) * row.key[u(j)];
      }
    }
  }

  void output(Values& y) const {
    for (int64_t t = 0; t < p_.rows; ++t)
      for (int64_t i = 0; i < n_; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < n_; ++j) sum += states_[entry(t + 1, i, j)] * operand(0, t, j);
        y[p_.at(t, head_, i)] = sum;
      }
  }

  /// What the op saves: the state before every chunk as the rows before left it.
  void saved(Values& states) const {
    for (int64_t chunk = 0; chunk < p_.chunks(); ++chunk)
      for (int64_t e = 0; e < n_ * n_; ++e)
        states[u((chunk * p_.heads + head_) * n_ * n_ + e)] = states_[u(chunk * p_.chunk_rows * n_ * n_ + e)];
  }

  /// Adds to the gradients of the operands.
  void backward(const Values& dy, std::vector<Values>& d) const {
    Values carried(u(n_ * n_));  // gradient of the state after the row
    for (int64_t t = p_.rows; t-- > 0;) {
      const Row row = at(t);
      Values ddirection(u(n_)), drate(u(n_)), ddecay(u(n_)), dkey(u(n_)), previous(u(n_ * n_));
      for (int64_t i = 0; i < n_; ++i) {
        const double v = operand(3, t, i), along = product(before(t), i, row.direction);
        double dalong = 0;
        for (int64_t j = 0; j < n_; ++j) {
          double& g = carried[u(i * n_ + j)];
          g += dy[p_.at(t, head_, i)] * operand(0, t, j);
          d[0][p_.at(t, head_, j)] += dy[p_.at(t, head_, i)] * states_[entry(t + 1, i, j)];
          ddecay[u(j)] += g * entry_of(before(t), i, j);
          dkey[u(j)] += g * v;
          d[3][p_.at(t, head_, i)] += g * row.key[u(j)];
          dalong -= g * row.direction[u(j)] * row.rate[u(j)];
          ddirection[u(j)] -= g * along * row.rate[u(j)];
          drate[u(j)] -= g * along * row.direction[u(j)];
        }
        for (int64_t j = 0; j < n_; ++j) {
          ddirection[u(j)] += dalong * entry_of(before(t), i, j);
          previous[u(i * n_ + j)] = carried[u(i * n_ + j)] * row.decay[u(j)] + dalong * row.direction[u(j)];
        }
      }
      carried = p_.begins(t) ? Values(u(n_ * n_)) : previous;
      operands_backward(t, row, ddirection, drate, ddecay, dkey, d);
    }
  }

 private:
  struct Row {
    double norm = 0;
    Values direction, rate, decay, key;
  };

  static size_t u(int64_t i) { return static_cast<size_t>(i); }
  size_t entry(int64_t slot, int64_t i, int64_t j) const { return u((slot * n_ + i) * n_ + j); }
  double operand(size_t which, int64_t t, int64_t i) const { return in_[first_ + which][p_.at(t, head_, i)]; }
  double parameter(size_t which, int64_t i) const { return in_[first_ + which][p_.channel(head_, i)]; }
  /// Slot of the state before row t; -1: zero.
  int64_t before(int64_t t) const { return p_.begins(t) ? -1 : t; }
  double entry_of(int64_t slot, int64_t i, int64_t j) const {
    return slot < 0 ? 0 : states_[entry(slot, i, j)];
  }
  double product(int64_t slot, int64_t i, const Values& x) const {
    double sum = 0;
    for (int64_t j = 0; j < n_; ++j) sum += entry_of(slot, i, j) * x[u(j)];
    return sum;
  }
  Row at(int64_t t) const {
    Row row;
    for (int64_t i = 0; i < n_; ++i) row.norm += std::pow(operand(2, t, i) * parameter(5, i), 2);
    row.norm = std::max(std::sqrt(row.norm), 1e-12);
    for (int64_t i = 0; i < n_; ++i) {
      const double k = operand(2, t, i);
      row.direction.push_back(k * parameter(5, i) / row.norm);
      row.rate.push_back(sigmoid(operand(4, t, i)));
      row.decay.push_back(std::exp(-std::exp(-0.5) * sigmoid(operand(1, t, i))));
      row.key.push_back(k * (1 + (row.rate.back() - 1) * parameter(6, i)));
    }
    return row;
  }
  void operands_backward(int64_t t, const Row& row, const Values& ddirection, Values drate,
                         const Values& ddecay, const Values& dkey, std::vector<Values>& d) const {
    double along = 0;
    for (int64_t i = 0; i < n_; ++i) along += ddirection[u(i)] * row.direction[u(i)];
    for (int64_t i = 0; i < n_; ++i) {
      const size_t at = p_.at(t, head_, i), channel = p_.channel(head_, i);
      const double k = operand(2, t, i), open = sigmoid(operand(1, t, i)), rate = row.rate[u(i)];
      const double dscaled = (ddirection[u(i)] - row.direction[u(i)] * along) / row.norm;
      drate[u(i)] += dkey[u(i)] * k * parameter(6, i);
      d[1][at] += ddecay[u(i)] * row.decay[u(i)] * -std::exp(-0.5) * open * (1 - open);
      d[2][at] += dscaled * parameter(5, i) + dkey[u(i)] * (1 + (rate - 1) * parameter(6, i));
      d[4][at] += drate[u(i)] * rate * (1 - rate);
      d[5][channel] += dscaled * k;
      d[6][channel] += dkey[u(i)] * k * (rate - 1);
    }
  }

  const Problem& p_;
  int64_t head_, n_;
  const Operands& in_;
  size_t first_;
  Values states_;  ///< [rows + 1]: before the first row, after every row
};

void add_operands(OpCase& op, const Problem& p) {
  for (int i = 0; i < 5; ++i) op.random({p.rows, p.channels()}, i == 1 ? p.w_scale : 1);
  op.random({p.channels()}).random({p.channels()});
}

Values saved_states(const Problem& p, const Operands& inputs, size_t first) {
  Values states(static_cast<size_t>(p.chunks() * p.channels() * p.columns));
  for (int64_t head = 0; head < p.heads; ++head) Oracle(p, head, inputs, first).saved(states);
  return states;
}

double tolerance(const Problem& p) {
  return p.dtype == DType::bf16 ? 1e-2 : 2e-5;
}
double tolerance_on_devices(const Problem& p) {
  return p.dtype == DType::bf16 ? 2.5e-2 : 0;
}

TEST_P(Rwkv7Ops, Recurrence) {
  const Problem& p = GetParam();
  OpCase op("wkv7", p.attributes(), p.dtype);
  add_operands(op, p);
  op.ints(p.cu_seqlens);
  Values y(op.inputs()[0].size());
  for (int64_t head = 0; head < p.heads; ++head) Oracle(p, head, op.inputs(), 0).output(y);
  op.check({y, saved_states(p, op.inputs(), 0)}, tolerance(p), tolerance_on_devices(p));
}

TEST_P(Rwkv7Ops, GradientOfTheRecurrenceAddsToWhatIsThere) {
  const Problem& p = GetParam();
  for (const bool adds : {false, true}) {
    OpCase op("wkv7_grad", p.attributes(), p.dtype);
    op.random({p.rows, p.channels()});
    add_operands(op, p);
    op.f32({p.chunks(), p.heads, p.columns, p.columns}, saved_states(p, op.inputs(), 1)).ints(p.cu_seqlens);
    for (int i = 0; i < 4; ++i) adds ? op.random({p.rows, p.channels()}) : op.absent();
    std::vector<Values> expected;
    for (size_t i = 1; i < 8; ++i) expected.emplace_back(op.inputs()[i].size());
    for (int64_t head = 0; head < p.heads; ++head)
      Oracle(p, head, op.inputs(), 1).backward(op.inputs()[0], expected);
    const size_t sums[] = {0, 2, 3, 4};
    for (size_t i = 0; i < (adds ? 4u : 0u); ++i)
      for (size_t e = 0; e < expected[sums[i]].size(); ++e) expected[sums[i]][e] += op.inputs()[10 + i][e];
    op.check(expected, p.dtype == DType::bf16 ? 1e-2 : 1e-4, tolerance_on_devices(p));
  }
}

// What a row replaces is what the rows before it wrote: the triangle that tiles invert is all ones.
TEST(Rwkv7, KeysThatAreTheSameReplaceEachOther) {
  const Problem p{40, 1, 16, 32, {0, 40}, DType::bf16};
  OpCase op("wkv7", p.attributes(), p.dtype);
  const auto all = [&](double x) { return Values(static_cast<size_t>(p.rows * p.columns), x); };
  op.random({40, 16}).floats({40, 16}, all(-20)).floats({40, 16}, all(1)).random({40, 16});
  op.floats({40, 16}, all(20)).floats({16}, Values(16, 1.0)).floats({16}, Values(16)).ints(p.cu_seqlens);
  Values y(op.inputs()[0].size());
  Oracle(p, 0, op.inputs(), 0).output(y);
  op.check({y, saved_states(p, op.inputs(), 0)}, tolerance(p), tolerance_on_devices(p));
}

// A key of nothing has no direction, and what its direction would be adds nothing.
TEST(Rwkv7, KeysOfZeroAreNoError) {
  const Problem p{6, 1, 8, 4, {0, 6}};
  OpCase op("wkv7", p.attributes());
  op.random({6, 8}).random({6, 8}).floats({6, 8}, Values(48)).random({6, 8}).random({6, 8});
  op.random({8}).random({8}).ints(p.cu_seqlens);
  op.check({Values(48), Values(128)});
}

struct OutputOracle {
  const Problem& p;
  const Operands& in;
  size_t first;  ///< of y, r, k, v, a, g, k_a, r_k

  double operand(size_t which, int64_t t, int64_t head, int64_t i) const {
    return in[first + which][p.at(t, head, i)];
  }
  double parameter(size_t which, int64_t head, int64_t i) const {
    return in[first + which][p.channel(head, i)];
  }
  double factor(int64_t t, int64_t head, int64_t i) const {
    return 1 + (sigmoid(operand(4, t, head, i)) - 1) * parameter(6, head, i);
  }
  double bonus(int64_t t, int64_t head) const {
    double sum = 0;
    for (int64_t i = 0; i < p.columns; ++i)
      sum += operand(1, t, head, i) * parameter(7, head, i) * operand(2, t, head, i) * factor(t, head, i);
    return sum;
  }
  double bonus_gradient(const Values& dout, int64_t t, int64_t head) const {
    double sum = 0;
    for (int64_t i = 0; i < p.columns; ++i)
      sum += dout[p.at(t, head, i)] * operand(5, t, head, i) * operand(3, t, head, i);
    return sum;
  }
};

void add_output_operands(OpCase& op, const Problem& p) {
  for (int i = 0; i < 6; ++i) op.random({p.rows, p.channels()});
  op.random({p.channels()}).random({p.heads, p.columns});
}

TEST_P(Rwkv7Ops, Output) {
  const Problem& p = GetParam();
  OpCase op("wkv7_output", {{"heads", p.heads}}, p.dtype);
  add_output_operands(op, p);
  const OutputOracle oracle{p, op.inputs(), 0};
  Values out;
  for (int64_t t = 0; t < p.rows; ++t)
    for (int64_t head = 0; head < p.heads; ++head)
      for (int64_t i = 0; i < p.columns; ++i)
        out.push_back(
            (oracle.operand(0, t, head, i) + oracle.bonus(t, head) * oracle.operand(3, t, head, i)) *
            oracle.operand(5, t, head, i));
  op.check({out}, tolerance(p));
}

TEST_P(Rwkv7Ops, GradientOfTheOutput) {
  const Problem& p = GetParam();
  OpCase op("wkv7_output_grad", {{"heads", p.heads}}, p.dtype);
  op.random({p.rows, p.channels()});
  add_output_operands(op, p);
  const OutputOracle o{p, op.inputs(), 1};
  const Values& dout = op.inputs()[0];
  std::vector<Values> d;  // y, r, k, v, a, g, k_a, r_k
  for (size_t i = 1; i < 9; ++i) d.emplace_back(op.inputs()[i].size());
  for (int64_t t = 0; t < p.rows; ++t)
    for (int64_t head = 0; head < p.heads; ++head) {
      const double bonus = o.bonus(t, head), dbonus = o.bonus_gradient(dout, t, head);
      for (int64_t i = 0; i < p.columns; ++i) {
        const size_t at = p.at(t, head, i), channel = p.channel(head, i);
        const double r = o.operand(1, t, head, i), k = o.operand(2, t, head, i);
        const double rate = sigmoid(o.operand(4, t, head, i)), factor = o.factor(t, head, i);
        const double weight = o.parameter(7, head, i), dkey = dbonus * r * weight;
        d[0][at] = dout[at] * o.operand(5, t, head, i);
        d[1][at] = dbonus * weight * k * factor;
        d[2][at] = dkey * factor;
        d[3][at] = d[0][at] * bonus;
        d[4][at] = dkey * k * o.parameter(6, head, i) * rate * (1 - rate);
        d[5][at] = dout[at] * (o.operand(0, t, head, i) + bonus * o.operand(3, t, head, i));
        d[6][channel] += dkey * k * (rate - 1);
        d[7][channel] += dbonus * r * k * factor;
      }
    }
  op.check(d, tolerance(p));
}

TEST(Rwkv7, RefusesWhatDoesNotFit) {
  const auto refused = [](int64_t heads, int64_t chunk_rows, int64_t values) {
    OpCase op("wkv7", {{"heads", heads}, {"chunk_rows", chunk_rows}});
    op.random({4, 6}).random({4, 6}).random({4, 6}).random({4, values}).random({4, 6});
    op.random({6}).random({6}).ints({0, 4});
    try {
      op.run({});
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_EQ(refused(2, 8, 6), "");
  EXPECT_NE(refused(4, 8, 6).find("columns that 4 heads divide"), std::string::npos) << refused(4, 8, 6);
  EXPECT_NE(refused(2, 65, 6).find("chunk_rows: is 65"), std::string::npos) << refused(2, 65, 6);
  EXPECT_NE(refused(2, 8, 5).find("v: is f32[4, 5]"), std::string::npos) << refused(2, 8, 5);
}

}  // namespace
}  // namespace tidemark::test
