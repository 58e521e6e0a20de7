#include "executor/ops/layer_norm.h"

#include "executor/cpu/simd_reduce.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
void norm_group(const LayerNorm& n, int64_t row, int64_t first, int64_t columns, int64_t index) {
  const T* x = static_cast<const T*>(n.x) + row * n.columns + first;
  const T* weight = static_cast<const T*>(n.weight) + first;
  const T* bias = static_cast<const T*>(n.bias) + (n.bias ? first : 0);
  T* y = static_cast<T*>(n.y) + row * n.columns + first;
  const float count = static_cast<float>(columns);
  const float average = sum_over(columns, [&](int64_t i, auto w) { return load(x + i, w); }) / count;
  const Vec mean = broadcast(average);
  const float squares = sum_over(columns, [&](int64_t i, auto w) {
    const Vec v = first_lanes(load(x + i, w) - mean, w);
    return v * v;
  });
  const float inverse = 1 / __builtin_sqrtf(squares / count + n.epsilon);
  const Vec rstd = broadcast(inverse);
  n.mean[index] = average;
  n.rstd[index] = inverse;
  lanes(0, columns, [&](int64_t i, auto w) {
    const Vec shift = n.bias ? load(bias + i, w) : zero();
    store(y + i, fma((load(x + i, w) - mean) * rstd, load(weight + i, w), shift), w);
  });
}

/// With n the normed x and d = dy * weight: dx = rstd * (d - mean(d) - n * mean(d * n)).
template <typename T>
void grad_group(const LayerNormGrad& g, int64_t row, int64_t first, int64_t columns, int64_t index,
                float* dweight, float* dbias) {
  const int64_t at = row * g.columns + first;
  const T* x = static_cast<const T*>(g.x) + at;
  const T* dy = static_cast<const T*>(g.dy) + at;
  const T* weight = static_cast<const T*>(g.weight) + first;
  const T* residual = g.residual_grad ? static_cast<const T*>(g.residual_grad) + at : nullptr;
  T* dx = static_cast<T*>(g.dx) + at;
  const Vec mean = broadcast(g.mean[index]), rstd = broadcast(g.rstd[index]);
  const auto normed = [&](int64_t i, auto w) { return (load(x + i, w) - mean) * rstd; };
  const float dot = sum_over(columns, [&](int64_t i, auto w) {
    const Vec d = load(dy + i, w), product = d * normed(i, w);
    store(dweight + i, load(dweight + i, w) + product, w);
    store(dbias + i, load(dbias + i, w) + d, w);
    return product * load(weight + i, w);
  });
  const float total =
      sum_over(columns, [&](int64_t i, auto w) { return load(dy + i, w) * load(weight + i, w); });
  const Vec along = broadcast(dot / static_cast<float>(columns));
  const Vec average = broadcast(total / static_cast<float>(columns));
  lanes(0, columns, [&](int64_t i, auto w) {
    const Vec d = fnma(normed(i, w), along, load(dy + i, w) * load(weight + i, w) - average) * rstd;
    store(dx + i, residual ? d + load(residual + i, w) : d, w);
  });
}

template <typename T>
void norm_rows(const LayerNorm& n, int64_t begin, int64_t end) {
  const int64_t columns = n.columns / n.groups;
  for (int64_t row = begin; row < end; ++row)
    for (int64_t group = 0; group < n.groups; ++group)
      norm_group<T>(n, row, group * columns, columns, row * n.groups + group);
}

template <typename T>
void grad_rows(const LayerNormGrad& g, int64_t begin, int64_t end, float* sums) {
  const int64_t columns = g.columns / g.groups;
  lanes(0, 2 * g.columns, [&](int64_t i, auto w) { store(sums + i, zero(), w); });
  for (int64_t row = begin; row < end; ++row)
    for (int64_t group = 0; group < g.groups; ++group) {
      const int64_t first = group * columns;
      grad_group<T>(g, row, first, columns, row * g.groups + group, sums + first, sums + g.columns + first);
    }
}

}  // namespace

void layer_norm_rows(const LayerNorm& n, int64_t begin, int64_t end) {
  n.bf16 ? norm_rows<Bf16>(n, begin, end) : norm_rows<float>(n, begin, end);
}

void layer_norm_grad_rows(const LayerNormGrad& g, int64_t begin, int64_t end, float* sums) {
  g.bf16 ? grad_rows<Bf16>(g, begin, end, sums) : grad_rows<float>(g, begin, end, sums);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
