#include "executor/ops/rms_norm.h"

#include "executor/cpu/simd_math.h"
#include "executor/cpu/simd_reduce.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

/// Values of a group of a row, beginning at column `first`: x, or x * silu(gate).
template <typename T, bool kGated, typename Norm>
auto values_of(const Norm& n, int64_t row, int64_t first) {
  const T* x = static_cast<const T*>(n.x) + row * n.columns + first;
  const T* gate = static_cast<const T*>(n.gate) + (kGated ? row * n.gate_stride + first : 0);
  return [x, gate](int64_t i, auto w) {
    if constexpr (!kGated) return load(x + i, w);
    const Vec g = load(gate + i, w);
    return load(x + i, w) * g * sigmoid(g);
  };
}

/// The weight of columns from `first` on, or 1.
template <typename T>
auto weight_of(const void* weight, int64_t first) {
  const T* at = static_cast<const T*>(weight) + (weight ? first : 0);
  return [at](int64_t i, auto w) { return at ? load(at + i, w) : broadcast(1); };
}

template <typename T, bool kGated>
void norm_group(const RmsNorm& n, int64_t row, int64_t first, int64_t columns, float* rstd_out) {
  const auto value = values_of<T, kGated>(n, row, first);
  const auto weight = weight_of<T>(n.weight, first);
  T* y = static_cast<T*>(n.y) + row * n.columns + first;
  const float squares = sum_over(columns, [&](int64_t i, auto w) {
    const Vec v = value(i, w);
    return v * v;
  });
  const float rstd = 1 / __builtin_sqrtf(squares / static_cast<float>(columns) + n.epsilon);
  *rstd_out = rstd;
  lanes(0, columns,
        [&](int64_t i, auto w) { store(y + i, value(i, w) * broadcast(rstd) * weight(i, w), w); });
}

/// With v the value and n = v * rstd: dv = rstd * (dy * weight - n * mean(dy * weight * n)).
template <typename T, bool kGated>
void grad_group(const RmsNormGrad& g, int64_t row, int64_t first, int64_t columns, float group_rstd,
                float* dweight) {
  const Vec one = broadcast(1);
  const int64_t at = row * g.columns + first;
  const auto value = values_of<T, kGated>(g, row, first);
  const auto weight = weight_of<T>(g.weight, first);
  const T* dy = static_cast<const T*>(g.dy) + at;
  T* dx = static_cast<T*>(g.dx) + at;
  const Vec rstd = broadcast(group_rstd);
  const float dot = sum_over(columns, [&](int64_t i, auto w) {
    const Vec product = load(dy + i, w) * (value(i, w) * rstd);
    store(dweight + first + i, load(dweight + first + i, w) + product, w);
    return product * weight(i, w);
  });
  const Vec mean = broadcast(dot / static_cast<float>(columns));
  lanes(0, columns, [&](int64_t i, auto w) {
    const Vec n = value(i, w) * rstd;
    const Vec dv = fnma(n, mean, load(dy + i, w) * weight(i, w)) * rstd;
    if constexpr (kGated) {
      const int64_t gate_at = row * g.gate_stride + first + i;
      T* dgate = static_cast<T*>(g.dgate) + gate_at;
      const Vec gate = load(static_cast<const T*>(g.gate) + gate_at, w), s = sigmoid(gate);
      const Vec x = load(static_cast<const T*>(g.x) + at + i, w);
      store(dgate, fma(dv * x * s, fma(gate, one - s, one), load(dgate, w)), w);
      store(dx + i, dv * gate * s, w);
    } else {
      const T* residual = static_cast<const T*>(g.residual_grad);
      store(dx + i, residual ? dv + load(residual + at + i, w) : dv, w);
    }
  });
}

/// fn(row, first column, columns, index) for every group of the rows.
template <typename Norm, typename F>
void each_group(const Norm& n, int64_t begin, int64_t end, F&& fn) {
  const int64_t columns = n.columns / n.groups;
  for (int64_t row = begin; row < end; ++row)
    for (int64_t group = 0; group < n.groups; ++group)
      fn(row, group * columns, columns, row * n.groups + group);
}

template <typename T, bool kGated>
void norm_rows(const RmsNorm& n, int64_t begin, int64_t end) {
  each_group(n, begin, end, [&](int64_t row, int64_t first, int64_t columns, int64_t index) {
    norm_group<T, kGated>(n, row, first, columns, n.rstd + index);
  });
}

template <typename T, bool kGated>
void grad_rows(const RmsNormGrad& g, int64_t begin, int64_t end, float* dweight) {
  lanes(0, g.columns, [&](int64_t i, auto w) { store(dweight + i, zero(), w); });
  each_group(g, begin, end, [&](int64_t row, int64_t first, int64_t columns, int64_t index) {
    grad_group<T, kGated>(g, row, first, columns, g.rstd[index], dweight);
  });
}

template <typename T>
void norm_typed(const RmsNorm& n, int64_t begin, int64_t end) {
  n.gate ? norm_rows<T, true>(n, begin, end) : norm_rows<T, false>(n, begin, end);
}

template <typename T>
void grad_typed(const RmsNormGrad& g, int64_t begin, int64_t end, float* dweight) {
  g.gate ? grad_rows<T, true>(g, begin, end, dweight) : grad_rows<T, false>(g, begin, end, dweight);
}

}  // namespace

void rms_norm_rows(const RmsNorm& n, int64_t begin, int64_t end) {
  n.bf16 ? norm_typed<Bf16>(n, begin, end) : norm_typed<float>(n, begin, end);
}

void rms_norm_grad_rows(const RmsNormGrad& g, int64_t begin, int64_t end, float* dweight) {
  g.bf16 ? grad_typed<Bf16>(g, begin, end, dweight) : grad_typed<float>(g, begin, end, dweight);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
