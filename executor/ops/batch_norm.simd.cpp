#include "executor/ops/batch_norm.h"

#include "executor/cpu/simd.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

/// The sum of fn(row) over the rows, in blocks: rounding errors grow with the blocks and the rows of one.
template <typename F>
Vec sum_rows(int64_t rows, F&& fn) {
  constexpr int64_t kBlock = 64;
  Vec total = zero();
  for (int64_t block = 0; block < rows; block += kBlock) {
    Vec sum = zero();
    for (int64_t row = block; row < smaller(block + kBlock, rows); ++row) sum = sum + fn(row);
    total = total + sum;
  }
  return total;
}

template <typename T>
void norm_columns(const BatchNorm& n, int64_t begin, int64_t end) {
  const T* x = static_cast<const T*>(n.x);
  T* y = static_cast<T*>(n.y);
  const Vec share = broadcast(1.0f / static_cast<float>(n.rows));
  lanes(begin, end, [&](int64_t i, auto w) {
    const auto value = [&](int64_t row) { return load(x + row * n.columns + i, w); };
    const Vec mean = sum_rows(n.rows, value) * share;
    const Vec squares = sum_rows(n.rows, [&](int64_t row) {
      const Vec v = value(row) - mean;
      return v * v;
    });
    const Vec rstd = broadcast(1) / sqrt(fma(squares, share, broadcast(n.epsilon)));
    const Vec weight = load(static_cast<const T*>(n.weight) + i, w);
    const Vec bias = load(static_cast<const T*>(n.bias) + i, w);
    for (int64_t row = 0; row < n.rows; ++row)
      store(y + row * n.columns + i, fma((value(row) - mean) * rstd, weight, bias), w);
    store(n.mean + i, mean, w);
    store(n.rstd + i, rstd, w);
  });
}

/// With n = (x - mean) rstd: dx = weight rstd (dy - mean(dy) - n mean(dy n)).
template <typename T>
void grad_columns(const BatchNormGrad& g, int64_t begin, int64_t end) {
  const Vec share = broadcast(1.0f / static_cast<float>(g.rows));
  lanes(begin, end, [&](int64_t i, auto w) {
    const Vec mean = load(g.mean + i, w), rstd = load(g.rstd + i, w);
    const auto dy = [&](int64_t row) { return load(static_cast<const T*>(g.dy) + row * g.columns + i, w); };
    const auto normed = [&](int64_t row) {
      return (load(static_cast<const T*>(g.x) + row * g.columns + i, w) - mean) * rstd;
    };
    const Vec dbias = sum_rows(g.rows, dy);
    const Vec dweight = sum_rows(g.rows, [&](int64_t row) { return dy(row) * normed(row); });
    const Vec scale = load(static_cast<const T*>(g.weight) + i, w) * rstd;
    for (int64_t row = 0; row < g.rows; ++row)
      store(static_cast<T*>(g.dx) + row * g.columns + i,
            scale * fnma(normed(row), dweight * share, fnma(dbias, share, dy(row))), w);
    store(static_cast<T*>(g.dweight) + i, dweight, w);
    store(static_cast<T*>(g.dbias) + i, dbias, w);
  });
}

}  // namespace

void batch_norm_columns(const BatchNorm& n, int64_t begin, int64_t end) {
  n.bf16 ? norm_columns<Bf16>(n, begin, end) : norm_columns<float>(n, begin, end);
}

void batch_norm_grad_columns(const BatchNormGrad& g, int64_t begin, int64_t end) {
  g.bf16 ? grad_columns<Bf16>(g, begin, end) : grad_columns<float>(g, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
