// Recurrent layers and their gradients against single sequences stepped through in float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/executor/op_case.h"

namespace tidemark {
namespace {

using test::OpCase;
using test::Values;

enum class Kind { rnn_tanh, rnn_relu, lstm, gru };

struct Problem {
  Kind kind = Kind::lstm;
  int64_t hidden = 8;
  bool reverse = false, bias = true;
  std::vector<int32_t> lengths;  ///< falling
  int64_t spare_times = 2, spare_sequences = 1;
  DType dtype = DType::f32;

  int64_t gates() const { return kind == Kind::lstm ? 4 : kind == Kind::gru ? 3 : 1; }
  int64_t tokens() const { return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}); }
  std::vector<int32_t> batch_sizes() const {
    std::vector<int32_t> sizes(static_cast<size_t>(lengths.front() + spare_times));
    for (int32_t n : lengths)
      for (int32_t t = 0; t < n; ++t) ++sizes[static_cast<size_t>(t)];
    return sizes;
  }
  /// The packed rows of each sequence, in the order the layer runs through it.
  std::vector<std::vector<int64_t>> sequences() const {
    std::vector<std::vector<int64_t>> rows(lengths.size());
    int64_t row = 0;
    for (int32_t size : batch_sizes())
      for (int32_t b = 0; b < size; ++b) rows[static_cast<size_t>(b)].push_back(row++);
    if (reverse)
      for (std::vector<int64_t>& r : rows) std::reverse(r.begin(), r.end());
    return rows;
  }
  std::string op() const {
    return kind == Kind::lstm ? "lstm_layer" : kind == Kind::gru ? "gru_layer" : "rnn_layer";
  }
  Attributes attributes() const {
    Attributes a{{"reverse", reverse}, {"max_batch", static_cast<int64_t>(lengths.size()) + spare_sequences}};
    if (gates() == 1) a.set("nonlinearity", std::string(kind == Kind::rnn_relu ? "relu" : "tanh"));
    return a;
  }
};

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

/// Row-major matrices of the pack.
struct Oracle {
  const Problem& p;
  int64_t H, G;
  Values h, c, gates, hn;    ///< forward
  Values dxg, dhn, dweight;  ///< backward
  Values dgates;             ///< what the recurrent product sees

  explicit Oracle(const Problem& problem)
      : p(problem),
        H(p.hidden),
        G(p.gates() * p.hidden),
        h(zeros(H)),
        c(zeros(H)),
        gates(zeros(G)),
        hn(zeros(H)),
        dxg(zeros(G)),
        dhn(zeros(H)),
        dweight(static_cast<size_t>(G * H)),
        dgates(zeros(G)) {}

  void forward(const Values& xg, const Values& weight, const Values& bias) {
    for (const std::vector<int64_t>& rows : p.sequences())
      for (size_t t = 0; t < rows.size(); ++t) {
        Values pre(static_cast<size_t>(G));
        for (int64_t j = 0; j < G; ++j) {
          at(pre, 0, j, G) = bias.empty() ? 0 : at(bias, 0, j, G);
          for (int64_t k = 0; t > 0 && k < H; ++k)
            at(pre, 0, j, G) += at(weight, j, k, H) * at(h, rows[t - 1], k, H);
        }
        for (int64_t j = 0; j < H; ++j) cell(xg, pre, rows[t], t > 0 ? rows[t - 1] : -1, j);
      }
  }

  void backward(const Values& dh_out, const Values& weight) {
    for (const std::vector<int64_t>& rows : p.sequences()) {
      Values carry(static_cast<size_t>(H));
      for (size_t t = rows.size(); t-- > 0;)
        for (int64_t j = 0; j < H; ++j) {
          double dh = at(dh_out, rows[t], j, H);
          for (int64_t g = 0; t + 1 < rows.size() && g < G; ++g)
            dh += at(dgates, rows[t + 1], g, G) * at(weight, g, j, H);
          cell_gradient(dh, carry[static_cast<size_t>(j)], rows[t], t > 0 ? rows[t - 1] : -1, j);
        }
      for (size_t t = 1; t < rows.size(); ++t)
        for (int64_t g = 0; g < G; ++g)
          for (int64_t k = 0; k < H; ++k)
            at(dweight, g, k, H) += at(dgates, rows[t], g, G) * at(h, rows[t - 1], k, H);
    }
  }

 private:
  Values zeros(int64_t columns) const { return Values(static_cast<size_t>(p.tokens() * columns)); }
  static double& at(Values& m, int64_t row, int64_t column, int64_t columns) {
    return m[static_cast<size_t>(row * columns + column)];
  }
  static double at(const Values& m, int64_t row, int64_t column, int64_t columns) {
    return m[static_cast<size_t>(row * columns + column)];
  }

  void cell(const Values& xg, const Values& pre, int64_t row, int64_t before, int64_t j) {
    const auto sum = [&](int64_t gate) { return at(xg, row, gate * H + j, G) + at(pre, 0, gate * H + j, G); };
    const auto gate = [&](int64_t i) -> double& { return at(gates, row, i * H + j, G); };
    const double h_before = before < 0 ? 0 : at(h, before, j, H);
    switch (p.kind) {
      case Kind::rnn_tanh: at(h, row, j, H) = std::tanh(sum(0)); break;
      case Kind::rnn_relu: at(h, row, j, H) = std::max(0.0, sum(0)); break;
      case Kind::lstm:
        gate(0) = sigmoid(sum(0));
        gate(1) = sigmoid(sum(1));
        gate(2) = std::tanh(sum(2));
        gate(3) = sigmoid(sum(3));
        at(c, row, j, H) = gate(1) * (before < 0 ? 0 : at(c, before, j, H)) + gate(0) * gate(2);
        at(h, row, j, H) = gate(3) * std::tanh(at(c, row, j, H));
        break;
      case Kind::gru:
        gate(0) = sigmoid(sum(0));
        gate(1) = sigmoid(sum(1));
        at(hn, row, j, H) = at(pre, 0, 2 * H + j, G);
        gate(2) = std::tanh(at(xg, row, 2 * H + j, G) + gate(0) * at(hn, row, j, H));
        at(h, row, j, H) = (1 - gate(1)) * gate(2) + gate(1) * h_before;
    }
  }

  void cell_gradient(double dh, double& carry, int64_t row, int64_t before, int64_t j) {
    const auto gate = [&](int64_t i) { return at(gates, row, i * H + j, G); };
    const auto d = [&](int64_t i) -> double& { return at(dxg, row, i * H + j, G); };
    const double y = at(h, row, j, H);
    switch (p.kind) {
      case Kind::rnn_tanh: d(0) = dh * (1 - y * y); break;
      case Kind::rnn_relu: d(0) = y > 0 ? dh : 0; break;
      case Kind::lstm: {
        const double t = std::tanh(at(c, row, j, H));
        const double dc = dh * gate(3) * (1 - t * t) + carry;
        carry = dc * gate(1);
        d(0) = dc * gate(2) * gate(0) * (1 - gate(0));
        d(1) = dc * (before < 0 ? 0 : at(c, before, j, H)) * gate(1) * (1 - gate(1));
        d(2) = dc * gate(0) * (1 - gate(2) * gate(2));
        d(3) = dh * t * gate(3) * (1 - gate(3));
        break;
      }
      case Kind::gru: {
        dh += carry;
        carry = dh * gate(1);
        const double dn = dh * (1 - gate(1)) * (1 - gate(2) * gate(2));
        d(0) = dn * at(hn, row, j, H) * gate(0) * (1 - gate(0));
        d(1) = dh * ((before < 0 ? 0 : at(h, before, j, H)) - gate(2)) * gate(1) * (1 - gate(1));
        d(2) = dn;
        at(dhn, row, j, H) = dn * gate(0);
      }
    }
    for (int64_t i = 0; i < p.gates(); ++i) at(dgates, row, i * H + j, G) = d(i);
    if (p.kind == Kind::gru) at(dgates, row, 2 * H + j, G) = at(dhn, row, j, H);
  }
};

void check(const Problem& p) {
  SCOPED_TRACE("hidden " + std::to_string(p.hidden) + (p.reverse ? ", reverse" : ""));
  const double forward_error = p.dtype == DType::bf16 ? 3e-2 : 1e-5;
  const double backward_error = p.dtype == DType::bf16 ? 3e-2 : 2e-5;
  const int64_t tokens = p.tokens(), hidden = p.hidden, columns = p.gates() * p.hidden;
  const Shape wide{tokens, columns}, narrow{tokens, hidden};
  const double weight_scale = 1 / std::sqrt(static_cast<double>(hidden));

  OpCase forward(p.op(), p.attributes(), p.dtype);
  forward.random(wide).random({columns, hidden}, weight_scale);
  p.bias ? forward.random({columns}) : forward.absent();
  forward.ints(p.batch_sizes());
  const auto& in = forward.inputs();
  Oracle oracle(p);
  oracle.forward(in[0], in[1], in[2]);
  switch (p.kind) {
    case Kind::lstm: forward.check({oracle.h, oracle.c, oracle.gates}, forward_error); break;
    case Kind::gru: forward.check({oracle.h, oracle.gates, oracle.hn}, forward_error); break;
    default: forward.check({oracle.h}, forward_error);
  }

  OpCase backward(p.op() + "_grad", p.attributes(), p.dtype);
  backward.random(narrow);
  oracle.backward(backward.inputs()[0], in[1]);
  if (p.kind == Kind::lstm)
    backward.floats(wide, oracle.gates).f32(narrow, oracle.c);
  else if (p.kind == Kind::gru)
    backward.floats(wide, oracle.gates).floats(narrow, oracle.hn).floats(narrow, oracle.h);
  else
    backward.floats(narrow, oracle.h);
  backward.floats({columns, hidden}, in[1]).ints(p.batch_sizes());
  p.kind == Kind::gru ? backward.check({oracle.dxg, oracle.dhn}, backward_error)
                      : backward.check({oracle.dxg}, backward_error);

  OpCase weight("recurrent_weight_grad", {{"reverse", p.reverse}}, p.dtype);
  weight.floats(wide, oracle.dxg).floats(narrow, oracle.h).ints(p.batch_sizes());
  p.kind == Kind::gru ? weight.floats(narrow, oracle.dhn) : weight.absent();
  weight.absent();
  weight.check({oracle.dweight}, backward_error);
}

void check_all(Problem p) {
  for (Kind kind : {Kind::rnn_tanh, Kind::rnn_relu, Kind::lstm, Kind::gru})
    for (bool reverse : {false, true}) {
      p.kind = kind;
      p.reverse = reverse;
      check(p);
    }
}

TEST(Recurrent, AgreesWithEverySequenceSteppedThrough) {
  check_all({.hidden = 32, .lengths = {9, 9, 7, 4, 4, 4, 1, 1}});
}

TEST(Recurrent, TakesAnyHiddenSize) {
  for (int64_t hidden : {1, 5, 17, 33, 48, 100}) check_all({.hidden = hidden, .lengths = {5, 3, 3, 2}});
}

TEST(Recurrent, TakesAnyBatch) {
  check_all({.hidden = 6, .lengths = {1}, .spare_times = 0, .spare_sequences = 0});
  check_all({.hidden = 6, .lengths = {12}, .spare_times = 0, .spare_sequences = 0});
  check_all({.hidden = 6, .lengths = std::vector<int32_t>(90, 3), .spare_times = 0, .spare_sequences = 0});
  check_all({.hidden = 6, .lengths = {1, 1, 1}, .spare_times = 5, .spare_sequences = 9});
}

TEST(Recurrent, StoresBf16) {
  check_all({.hidden = 32, .lengths = {6, 5, 5, 2}, .dtype = DType::bf16});
  check_all({.hidden = 21, .lengths = {6, 5, 5, 2}, .dtype = DType::bf16});
}

TEST(Recurrent, NeedsNoBias) {
  check_all({.hidden = 16, .bias = false, .lengths = {4, 2}});
}

// A hidden size whose products are cut along k, and rows of gates a multiple of 4 KiB apart.
TEST(Recurrent, LargeHiddenSizes) {
  check({.kind = Kind::lstm, .hidden = 512, .lengths = {4, 4, 3}});
  check({.kind = Kind::gru, .hidden = 600, .reverse = true, .lengths = {3, 2}});
}

TEST(Recurrent, WeightGradientAddsToWhatThereIs) {
  for (int32_t length : {1, 3}) {
    const std::vector<int32_t> sizes(static_cast<size_t>(length), 2);
    OpCase c("recurrent_weight_grad", {{"reverse", false}});
    c.random({2 * length, 12}).random({2 * length, 4}).ints(sizes).random({2 * length, 4}).random({12, 4});
    const auto& in = c.inputs();
    Values expected = in[4];
    for (size_t row = 2; row < static_cast<size_t>(2 * length); ++row)
      for (size_t g = 0; g < 12; ++g)
        for (size_t k = 0; k < 4; ++k)
          expected[g * 4 + k] +=
              (g < 8 ? in[0][row * 12 + g] : in[3][row * 4 + g - 8]) * in[1][(row - 2) * 4 + k];
    c.check({expected});
  }
}

}  // namespace
}  // namespace tidemark
