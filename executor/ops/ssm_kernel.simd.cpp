#include "executor/ops/ssm_kernel.h"

#include "executor/cpu/simd.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

constexpr int kWide = static_cast<int>(cpu::kSsmChannels);
constexpr int64_t kState = 2 * kWide;

/// A double per channel; the compiler's own vectors, for four or eight at once.
using Wide = double __attribute__((vector_size(8 * kWide)));

inline Wide get(const double* p) {
  Wide v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void put(double* p, Wide v) {
  __builtin_memcpy(p, &v, sizeof v);
}

struct Pair {
  Wide re, im;
};
inline Pair get_pair(const double* p) {
  return {get(p), get(p + kWide)};
}
inline void put_pair(double* p, Pair v) {
  put(p, v.re);
  put(p + kWide, v.im);
}
inline void add_pair(double* p, Wide re, Wide im) {
  put(p, get(p) + re);
  put(p + kWide, get(p + kWide) + im);
}

void copy(const double* from, int64_t n, double* to) {
  for (int64_t i = 0; i < n; i += kWide) put(to + i, get(from + i));
}
void clear(double* to, int64_t n) {
  for (int64_t i = 0; i < n; i += kWide) put(to + i, Wide{});
}

/// `to`, which may be `x`, is the state after x; returns the kernel's value at x.
template <bool kRankOne>
Wide step(const SsmRecurrence& r, const double* x, double* to) {
  const SsmCoefficients& c = r.coefficients;
  const int64_t n = r.states * kState;
  Wide value{}, sensed{};
  for (int64_t i = 0; i < n; i += kState) {
    const Pair state = get_pair(x + i), out = get_pair(c.output + i);
    value += out.re * state.re - out.im * state.im;
    if constexpr (kRankOne) {
      const Pair sense = get_pair(c.sense + i);
      sensed += sense.re * state.re - sense.im * state.im;
    }
  }
  sensed += sensed;
  for (int64_t i = 0; i < n; i += kState) {
    const Pair state = get_pair(x + i), a = get_pair(c.factor + i);
    Pair next{a.re * state.re - a.im * state.im, a.re * state.im + a.im * state.re};
    if constexpr (kRankOne) {
      const Pair feedback = get_pair(c.feedback + i);
      next.re -= feedback.re * sensed;
      next.im -= feedback.im * sensed;
    }
    put_pair(to + i, next);
  }
  return value + value;
}

template <bool kRankOne>
void make_kernel(const SsmRecurrence& r, int64_t channels, float* kernel, int64_t stride, double* state) {
  copy(r.coefficients.start, r.states * kState, state);
  for (int64_t l = 0; l < r.length; ++l) {
    const Wide value = step<kRankOne>(r, state, state);
    for (int64_t i = 0; i < channels; ++i) kernel[i * stride + l] = static_cast<float>(value[i]);
  }
}

/// With g the gradient of the state after x, which becomes that of x, and d that of the kernel's value at x.
template <bool kRankOne>
void step_back(const SsmRecurrence& r, const double* x, Wide d, const SsmCoefficients& grads, double* g) {
  const SsmCoefficients& c = r.coefficients;
  const int64_t n = r.states * kState;
  const Wide twice = d + d;
  Wide sensed{}, sensed_grad{};
  if constexpr (kRankOne) {
    for (int64_t i = 0; i < n; i += kState) {
      const Pair state = get_pair(x + i), sense = get_pair(c.sense + i);
      const Pair grad = get_pair(g + i), feedback = get_pair(c.feedback + i);
      sensed += sense.re * state.re - sense.im * state.im;
      sensed_grad -= feedback.re * grad.re + feedback.im * grad.im;
    }
    sensed += sensed;
    sensed_grad += sensed_grad;
  }
  for (int64_t i = 0; i < n; i += kState) {
    const Pair state = get_pair(x + i), a = get_pair(c.factor + i), out = get_pair(c.output + i);
    const Pair grad = get_pair(g + i);
    add_pair(grads.output + i, twice * state.re, -(twice * state.im));
    add_pair(grads.factor + i, grad.re * state.re + grad.im * state.im,
             grad.im * state.re - grad.re * state.im);
    Pair before{a.re * grad.re + a.im * grad.im + twice * out.re,
                a.re * grad.im - a.im * grad.re - twice * out.im};
    if constexpr (kRankOne) {
      const Pair sense = get_pair(c.sense + i);
      add_pair(grads.feedback + i, -(sensed * grad.re), -(sensed * grad.im));
      add_pair(grads.sense + i, sensed_grad * state.re, -(sensed_grad * state.im));
      before.re += sensed_grad * sense.re;
      before.im -= sensed_grad * sense.im;
    }
    put_pair(g + i, before);
  }
}

template <bool kRankOne>
void differentiate(const SsmRecurrence& r, int64_t channels, const float* dkernel, int64_t stride,
                   const SsmSegments& segments, const SsmCoefficients& grads, double* state) {
  const int64_t row = r.states * kState;
  copy(r.coefficients.start, row, state);
  for (int64_t l = 0; l < r.length; ++l) {
    if (l % segments.rows == 0) copy(state, row, segments.before + l / segments.rows * row);
    step<kRankOne>(r, state, state);
  }
  for (double* grad : {grads.factor, grads.output, grads.feedback, grads.sense})
    if (grad) clear(grad, row);
  clear(state, row);  // from here on its gradient
  for (int64_t segment = (r.length - 1) / segments.rows; segment >= 0; --segment) {
    const int64_t first = segment * segments.rows, rows = smaller(segments.rows, r.length - first);
    copy(segments.before + segment * row, row, segments.states);
    for (int64_t l = 1; l < rows; ++l)
      step<kRankOne>(r, segments.states + (l - 1) * row, segments.states + l * row);
    for (int64_t l = rows; l-- > 0;) {
      Wide d{};
      for (int64_t i = 0; i < channels; ++i) d[i] = double{dkernel[i * stride + first + l]};
      step_back<kRankOne>(r, segments.states + l * row, d, grads, state);
    }
  }
  copy(state, row, grads.start);
}

}  // namespace

void ssm_kernel_block(const SsmRecurrence& r, int64_t channels, float* kernel, int64_t stride,
                      double* state) {
  r.rank_one ? make_kernel<true>(r, channels, kernel, stride, state)
             : make_kernel<false>(r, channels, kernel, stride, state);
}

void ssm_kernel_grad_block(const SsmRecurrence& r, int64_t channels, const float* dkernel, int64_t stride,
                           const SsmSegments& segments, const SsmCoefficients& grads, double* state) {
  r.rank_one ? differentiate<true>(r, channels, dkernel, stride, segments, grads, state)
             : differentiate<false>(r, channels, dkernel, stride, segments, grads, state);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
