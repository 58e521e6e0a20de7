#include "executor/ops/skip_gelu.h"

#include "executor/cpu/simd_math.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

/// gelu(v) = v share(v), and the derivative of that.
struct ExactGelu {
  static Vec share(Vec v) {
    return fma(broadcast(0.5f), erf(v * broadcast(0.707106781186547524f)), broadcast(0.5f));
  }
  static Vec slope(Vec v) {
    const Vec density = broadcast(0.398942280401432678f) * exp(broadcast(-0.5f) * v * v);
    return fma(v, density, share(v));
  }
};

struct TanhGelu {
  static constexpr float kScale = 0.797884560802865356f, kCubic = 0.044715f;
  static Vec tanh_of(Vec v) {
    return tanh(broadcast(kScale) * v * fma(broadcast(kCubic) * v, v, broadcast(1)));
  }
  static Vec share(Vec v) { return fma(broadcast(0.5f), tanh_of(v), broadcast(0.5f)); }
  static Vec slope(Vec v) {
    const Vec t = tanh_of(v), one = broadcast(1);
    const Vec inner = broadcast(kScale) * fma(broadcast(3 * kCubic) * v, v, one);
    return broadcast(0.5f) * fma(v * inner, fnma(t, t, one), t + one);
  }
};

template <typename T>
struct Rows {
  explicit Rows(const SkipGelu& skip)
      : s(skip), x(static_cast<const T*>(skip.x)), u(static_cast<const T*>(skip.u)) {}
  const SkipGelu& s;
  const T *x, *u;

  template <typename Width>
  Vec value(int64_t row, int64_t i, Width w) const {
    const int64_t at = row * s.columns + i;
    return fma(load(s.d + i, w), load(u + at, w), load(x + at, w));
  }
};

template <typename T, typename Gelu>
void forward(const SkipGelu& s, void* out, int64_t begin, int64_t end) {
  const Rows<T> rows(s);
  for (int64_t row = begin; row < end; ++row)
    lanes(0, s.columns, [&](int64_t i, auto w) {
      const Vec v = rows.value(row, i, w);
      store(static_cast<T*>(out) + row * s.columns + i, v * Gelu::share(v), w);
    });
}

template <typename T, typename Gelu>
void backward(const SkipGelu& s, void* dx, void* du, float* dd, int64_t begin, int64_t end) {
  const Rows<T> rows(s);
  lanes(0, s.columns, [&](int64_t i, auto w) { store(dd + i, zero(), w); });
  for (int64_t row = begin; row < end; ++row)
    lanes(0, s.columns, [&](int64_t i, auto w) {
      const int64_t at = row * s.columns + i;
      const Vec u = load(rows.u + at, w);
      const Vec grad = load(static_cast<const T*>(s.dy) + at, w) * Gelu::slope(rows.value(row, i, w));
      store(dd + i, fma(grad, u, load(dd + i, w)), w);
      store(static_cast<T*>(dx) + at, grad, w);
      store(static_cast<T*>(du) + at, grad * load(s.d + i, w), w);
    });
}

}  // namespace

void skip_gelu_rows(const SkipGelu& s, void* y, int64_t begin, int64_t end) {
  if (s.bf16)
    s.tanh ? forward<Bf16, TanhGelu>(s, y, begin, end) : forward<Bf16, ExactGelu>(s, y, begin, end);
  else
    s.tanh ? forward<float, TanhGelu>(s, y, begin, end) : forward<float, ExactGelu>(s, y, begin, end);
}

void skip_gelu_grad_rows(const SkipGelu& s, void* dx, void* du, float* dd, int64_t begin, int64_t end) {
  if (s.bf16)
    s.tanh ? backward<Bf16, TanhGelu>(s, dx, du, dd, begin, end)
           : backward<Bf16, ExactGelu>(s, dx, du, dd, begin, end);
  else
    s.tanh ? backward<float, TanhGelu>(s, dx, du, dd, begin, end)
           : backward<float, ExactGelu>(s, dx, du, dd, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
