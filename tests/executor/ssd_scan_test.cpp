// Mamba-2's scan by matrix products and its gradient against the recurrence in float64.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/executor/recurrence_oracle.h"

namespace tidemark::test {
namespace {

struct Problem {
  int64_t rows, heads, head_columns, groups, states, chunk_rows;
  std::vector<int32_t> cu_seqlens;
  double dt_min = 0, dt_max = 1e9;
  DType dtype = DType::f32;

  double on_devices() const { return dtype == DType::bf16 ? 2e-2 : 0; }
  int64_t channels() const { return heads * head_columns; }
  int64_t columns() const { return channels() + 2 * groups * states; }
};

constexpr int64_t kFirst = 3;  // column of dt
int64_t dt_columns(const Problem& p) {
  return kFirst + p.heads + 2;
}

/// xbc, dt, A_log, D, dt_bias after the operands that `op` has already.
void add_operands(OpCase& op, const Problem& p) {
  op.random({p.rows, p.columns()}).random({p.rows, dt_columns(p)});
  Values a_log, d, dt_bias;
  for (int64_t h = 0; h < p.heads; ++h) {
    a_log.push_back(std::log(1.0 + static_cast<double>(h)) - 1);
    d.push_back(1 - 0.1 * static_cast<double>(h % 7));
    dt_bias.push_back(-2 + 0.3 * static_cast<double>(h % 5));
  }
  op.f32({p.heads}, a_log).f32({p.heads}, d).f32({p.heads}, dt_bias);
}

/// The same with a channel for each column of a head.
class Oracle {
 public:
  Oracle(const Problem& p, const OpCase& op, size_t first) : p_(p), in_(op.inputs()), first_(first) {
    r_ = {p.rows, p.channels(), p.states, p.groups, p.cu_seqlens, {}, {}, {}, {}, {}, {}};
    for (int64_t t = 0; t < p.rows; ++t) {
      const auto row = input(0).begin() + t * p.columns();
      const auto b = row + p.channels(), c = b + p.groups * p.states;
      r_.u.insert(r_.u.end(), row, b);
      r_.b.insert(r_.b.end(), b, c);
      r_.c.insert(r_.c.end(), c, c + p.groups * p.states);
      for (int64_t e = 0; e < p.channels(); ++e)
        r_.delta.push_back(std::clamp(softplus(raw(t, head_of(e))), p.dt_min, p.dt_max));
    }
    for (int64_t e = 0; e < p.channels(); ++e) {
      r_.d.push_back(input(3)[head_of(e)]);
      r_.a.insert(r_.a.end(), static_cast<size_t>(p.states), -std::exp(input(2)[head_of(e)]));
    }
    result_ = r_.run();
  }

  std::vector<Values> forward() const {
    Values states;
    for (int64_t t = 0; t < p_.rows; t += p_.chunk_rows)
      for (int64_t h = 0; h < p_.heads; ++h)
        for (int64_t n = 0; n < p_.states; ++n)
          for (int64_t i = 0; i < p_.head_columns; ++i)
            states.push_back(t == 0 ? 0 : result_.states[r_.at(t - 1, h * p_.head_columns + i, n)]);
    return {result_.y, states};
  }

  /// Given dy and what the gradient of dt is added to.
  std::vector<Values> backward(const Values& dy, Values ddt) const {
    const Recurrence::Gradient g = r_.differentiate(result_, dy);
    Values dxbc, da_log(static_cast<size_t>(p_.heads)), dd(da_log), ddt_bias(da_log);
    const int64_t per_row = p_.groups * p_.states;
    for (int64_t t = 0; t < p_.rows; ++t) {
      dxbc.insert(dxbc.end(), g.u.begin() + t * p_.channels(), g.u.begin() + (t + 1) * p_.channels());
      for (const Values* part : {&g.b, &g.c})
        dxbc.insert(dxbc.end(), part->begin() + t * per_row, part->begin() + (t + 1) * per_row);
      for (int64_t e = 0; e < p_.channels(); ++e) {
        const double x = raw(t, head_of(e)), soft = softplus(x);
        if (soft < p_.dt_min || soft > p_.dt_max) continue;
        const double part = g.delta[r_.at(t, e)] * sigmoid(x);
        ddt[static_cast<size_t>(t * dt_columns(p_) + kFirst) + head_of(e)] += part;
        ddt_bias[head_of(e)] += part;
      }
    }
    for (int64_t e = 0; e < p_.channels(); ++e) {
      dd[head_of(e)] += g.d_sum[static_cast<size_t>(e)];
      for (int64_t n = 0; n < p_.states; ++n)
        da_log[head_of(e)] += g.a[r_.at(0, e, n)] * r_.a[r_.at(0, e, n)];
    }
    return {dxbc, ddt, da_log, dd, ddt_bias};
  }

 private:
  const Values& input(size_t i) const { return in_[first_ + i]; }
  size_t head_of(int64_t channel) const { return static_cast<size_t>(channel / p_.head_columns); }
  double raw(int64_t t, size_t head) const {
    return input(1)[static_cast<size_t>(t * dt_columns(p_) + kFirst) + head] + input(4)[head];
  }

  const Problem& p_;
  const Operands& in_;
  size_t first_;
  Recurrence r_;
  Recurrence::Result result_;
};

Attributes attributes(const Problem& p) {
  Attributes a{{"heads", p.heads},           {"groups", p.groups}, {"states", p.states},
               {"chunk_rows", p.chunk_rows}, {"dt_min", p.dt_min}, {"first_column", kFirst}};
  if (p.dt_max < 1e9) a.set("dt_max", p.dt_max);
  return a;
}

class SsdScanTest : public ::testing::TestWithParam<Problem> {};

INSTANTIATE_TEST_SUITE_P(
    Problems, SsdScanTest,
    ::testing::Values(Problem{1, 1, 1, 1, 1, 256, {0, 1}}, Problem{9, 2, 3, 1, 5, 4, {0, 4, 4, 9}},
                      Problem{70, 3, 16, 1, 8, 64, {0, 3, 3, 17, 64, 70}},
                      Problem{150, 6, 8, 3, 7, 100, {0, 60, 61, 150}},
                      Problem{300, 4, 33, 2, 20, 128, {0, 300}}, Problem{140, 20, 4, 2, 9, 140, {0, 90, 140}},
                      Problem{200, 4, 8, 1, 16, 96, {0, 130, 200}, 0.1, 0.3},
                      Problem{150, 6, 17, 2, 11, 128, {0, 60, 150}, 0, 1e9, DType::bf16},
                      Problem{30, 2, 64, 1, 64, 8, {0, 11, 30}, 0, 1e9, DType::bf16},
                      Problem{100, 4, 16, 2, 24, 72, {0, 5, 5, 95, 100}, 0, 1e9, DType::bf16},
                      Problem{190, 4, 72, 2, 40, 150, {0, 120, 190}, 0, 1e9, DType::bf16},
                      Problem{70, 1, 72, 1, 72, 66, {0, 70}, 20, 40, DType::bf16}));

TEST_P(SsdScanTest, Forward) {
  const Problem& p = GetParam();
  OpCase op("ssd_scan", attributes(p), p.dtype);
  add_operands(op, p);
  op.ints(p.cu_seqlens);
  op.check(Oracle(p, op, 0).forward(), 0, p.on_devices());
}

TEST_P(SsdScanTest, Gradient) {
  const Problem& p = GetParam();
  for (const bool accumulates : {false, true}) {
    OpCase op("ssd_scan_grad", attributes(p), p.dtype);
    op.random({p.rows, p.channels()});
    add_operands(op, p);
    const Oracle oracle(p, op, 1);
    const int64_t chunks = (p.rows + p.chunk_rows - 1) / p.chunk_rows;
    op.f32({chunks, p.heads, p.states, p.head_columns}, oracle.forward()[1]).ints(p.cu_seqlens);
    Values ddt(static_cast<size_t>(p.rows * dt_columns(p)));
    if (accumulates) ddt = op.random({p.rows, dt_columns(p)}).inputs().back();
    op.check(oracle.backward(op.inputs()[0], ddt), p.dtype == DType::bf16 ? 8e-3 : 2e-5, p.on_devices());
  }
}

TEST(SsdScan, StaysExactOverALongSequence) {
  const Problem p{16384, 2, 2, 1, 2, 256, {0, 9000, 16384}};
  OpCase op("ssd_scan_grad", attributes(p));
  op.random({p.rows, p.channels()});
  add_operands(op, p);
  const Oracle oracle(p, op, 1);
  op.f32({64, p.heads, p.states, p.head_columns}, oracle.forward()[1]).ints(p.cu_seqlens);
  op.check(oracle.backward(op.inputs()[0], Values(static_cast<size_t>(p.rows * dt_columns(p)))), 1e-4);
}

}  // namespace
}  // namespace tidemark::test
