#include "executor/ops/wkv7_output.h"

#include "executor/cpu/simd_math.h"
#include "executor/cpu/simd_reduce.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

/// One row of a head. With factor = 1 + (sigmoid(a) - 1) k_a, bonus = the sum of r r_k k factor.
template <typename T>
struct Row {
  const Wkv7Output& o;
  int64_t at, column;  ///< of the head's first column in the row, and among all columns

  Row(const Wkv7Output& output, int64_t row, int64_t head)
      : o(output), at((row * o.heads + head) * o.head_columns), column(head * o.head_columns) {}

  template <typename Width>
  Vec in(const void* x, int64_t i, Width w) const {
    return load(static_cast<const T*>(x) + at + i, w);
  }
  template <typename Width>
  Vec parameter(const void* p, int64_t i, Width w) const {
    return load(static_cast<const T*>(p) + column + i, w);
  }
  template <typename Width>
  void out(void* x, int64_t i, Vec value, Width w) const {
    store(static_cast<T*>(x) + at + i, value, w);
  }
  template <typename Width>
  Vec factor(int64_t i, Vec rate, Width w) const {
    return fma(rate - broadcast(1), parameter(o.k_a, i, w), broadcast(1));
  }
  Vec bonus() const {
    return broadcast(sum_over(o.head_columns, [&](int64_t i, auto w) {
      const Vec key = in(o.k, i, w) * factor(i, sigmoid(in(o.a, i, w)), w);
      return key * in(o.r, i, w) * parameter(o.r_k, i, w);
    }));
  }
};

template <typename T>
void output_rows(const Wkv7Output& o, void* out, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t)
    for (int64_t head = 0; head < o.heads; ++head) {
      const Row<T> row(o, t, head);
      const Vec bonus = row.bonus();
      lanes(0, o.head_columns, [&](int64_t i, auto w) {
        row.out(out, i, fma(bonus, row.in(o.v, i, w), row.in(o.y, i, w)) * row.in(o.g, i, w), w);
      });
    }
}

/// part: of k_a, then of r_k.
template <typename T>
void grad_row(const Wkv7OutputGrad& g, const Row<T>& row, float* part, int64_t padded) {
  const Wkv7Output& o = g.output;
  const Vec bonus = row.bonus();
  const Vec dbonus = broadcast(sum_over(o.head_columns, [&](int64_t i, auto w) {
    return row.in(g.dout, i, w) * row.in(o.g, i, w) * row.in(o.v, i, w);
  }));
  lanes(0, o.head_columns, [&](int64_t i, auto w) {
    const Vec dout = row.in(g.dout, i, w), y = row.in(o.y, i, w), v = row.in(o.v, i, w);
    const Vec r = row.in(o.r, i, w), k = row.in(o.k, i, w), rate = sigmoid(row.in(o.a, i, w));
    const Vec dy = dout * row.in(o.g, i, w), factor = row.factor(i, rate, w);
    const Vec weight = row.parameter(o.r_k, i, w), dkey = dbonus * r * weight;
    const Vec closed = broadcast(1) - rate, drate = dkey * k * row.parameter(o.k_a, i, w);
    store(part + i, fnma(dkey * k, closed, load(part + i)));
    store(part + padded + i, fma(dbonus * r, k * factor, load(part + padded + i)));
    row.out(g.dy, i, dy, w);
    row.out(g.dr, i, dbonus * weight * k * factor, w);
    row.out(g.dk, i, dkey * factor, w);
    row.out(g.dv, i, dy * bonus, w);
    row.out(g.da, i, drate * rate * closed, w);
    row.out(g.dg, i, dout * fma(bonus, v, y), w);
  });
}

/// Rows whose part of a sum is summed by itself.
constexpr int64_t kPartRows = 64;

template <typename T>
void grad_head(const Wkv7OutputGrad& g, int64_t head, float* sums) {
  const Wkv7Output& o = g.output;
  const int64_t n = o.head_columns, padded = (n + 15) / 16 * 16;
  float *const totals = sums, *const part = sums + 2 * padded;
  lanes(0, 2 * padded, [&](int64_t i, auto w) { store(totals + i, zero(), w); });
  for (int64_t begin = 0; begin < o.rows; begin += kPartRows) {
    const int64_t end = smaller(o.rows, begin + kPartRows);
    lanes(0, 2 * padded, [&](int64_t i, auto w) { store(part + i, zero(), w); });
    for (int64_t t = begin; t < end; ++t) grad_row(g, Row<T>(o, t, head), part, padded);
    lanes(0, 2 * padded,
          [&](int64_t i, auto w) { store(totals + i, load(totals + i, w) + load(part + i, w), w); });
  }
  convert(totals, static_cast<T*>(g.dk_a) + head * n, n);
  convert(totals + padded, static_cast<T*>(g.dr_k) + head * n, n);
}

}  // namespace

void wkv7_output_rows(const Wkv7Output& o, void* out, int64_t begin, int64_t end) {
  o.bf16 ? output_rows<Bf16>(o, out, begin, end) : output_rows<float>(o, out, begin, end);
}

void wkv7_output_grad_head(const Wkv7OutputGrad& g, int64_t head, float* sums) {
  g.output.bf16 ? grad_head<Bf16>(g, head, sums) : grad_head<float>(g, head, sums);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
