#include "executor/ops/rms_norm.h"

#include "executor/cpu/simd_reduce.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
void norm_rows(const RmsNorm& n, int64_t begin, int64_t end) {
  const T* weight = static_cast<const T*>(n.weight);
  for (int64_t row = begin; row < end; ++row) {
    const T* x = static_cast<const T*>(n.x) + row * n.columns;
    T* y = static_cast<T*>(n.y) + row * n.columns;
    const float squares = sum_over(n.columns, [&](int64_t i, auto w) {
      const Vec v = load(x + i, w);
      return v * v;
    });
    const float rstd = 1 / __builtin_sqrtf(squares / static_cast<float>(n.columns) + n.epsilon);
    n.rstd[row] = rstd;
    lanes(0, n.columns, [&](int64_t i, auto w) {
      store(y + i, load(x + i, w) * broadcast(rstd) * load(weight + i, w), w);
    });
  }
}

/// With n = x * rstd: dx = rstd * (dy * weight - n * mean(dy * weight * n)).
template <typename T>
void grad_rows(const RmsNormGrad& g, int64_t begin, int64_t end, float* dweight) {
  const T* weight = static_cast<const T*>(g.weight);
  lanes(0, g.columns, [&](int64_t i, auto w) { store(dweight + i, zero(), w); });
  for (int64_t row = begin; row < end; ++row) {
    const int64_t at = row * g.columns;
    const T* dy = static_cast<const T*>(g.dy) + at;
    const T* x = static_cast<const T*>(g.x) + at;
    const T* residual = g.residual_grad ? static_cast<const T*>(g.residual_grad) + at : nullptr;
    T* dx = static_cast<T*>(g.dx) + at;
    const Vec rstd = broadcast(g.rstd[row]);
    const float dot = sum_over(g.columns, [&](int64_t i, auto w) {
      const Vec product = load(dy + i, w) * (load(x + i, w) * rstd);
      store(dweight + i, load(dweight + i, w) + product, w);
      return product * load(weight + i, w);
    });
    const Vec mean = broadcast(dot / static_cast<float>(g.columns));
    lanes(0, g.columns, [&](int64_t i, auto w) {
      const Vec n = load(x + i, w) * rstd;
      const Vec own = fnma(n, mean, load(dy + i, w) * load(weight + i, w)) * rstd;
      store(dx + i, residual ? own + load(residual + i, w) : own, w);
    });
  }
}

}  // namespace

void rms_norm_rows(const RmsNorm& n, int64_t begin, int64_t end) {
  n.bf16 ? norm_rows<Bf16>(n, begin, end) : norm_rows<float>(n, begin, end);
}

void rms_norm_grad_rows(const RmsNormGrad& g, int64_t begin, int64_t end, float* dweight) {
  g.bf16 ? grad_rows<Bf16>(g, begin, end, dweight) : grad_rows<float>(g, begin, end, dweight);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
