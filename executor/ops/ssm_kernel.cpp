#include "executor/ops/ssm_kernel.h"

#include <cmath>
#include <complex>

#include "executor/ops/all.h"
#include "executor/ops/operands.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops {
namespace {

using cpu::kSsmChannels;
using Complex = std::complex<double>;

/// The op's parameters, or their gradients.
template <typename Float>
struct Parameters {
  Float *log_dt = nullptr, *a_real_log = nullptr, *a_imag = nullptr, *c = nullptr, *b = nullptr, *p = nullptr;
};

struct Job {
  int64_t channels = 0, states = 0;
  bool bilinear = false;
  Parameters<const float> in;
  SsmRecurrence recurrence;  ///< without coefficients
  cpu::SsmKernelSpace space;
};

/// Coefficients one after the other in scratch memory.
SsmCoefficients coefficients_at(const Job& job, double* at) {
  const int64_t row = job.space.row;
  SsmCoefficients c{at, at + row, at + 2 * row};
  if (job.recurrence.rank_one) {
    c.feedback = at + 3 * row;
    c.sense = at + 4 * row;
  }
  return c;
}

/// log_dt and the other parameters are inputs `first` and the following.
Job job_of(const KernelArgs& args, int first, bool gradient) {
  Job job;
  job.channels = rows_of(args.op.in(first + 1));
  job.states = columns_of(args.op.in(first + 1));
  job.bilinear = args.op.attributes().text("discretization") == "bilinear";
  const auto input = [&](int i) { return args.op.has_in(first + i) ? args.in<float>(first + i) : nullptr; };
  job.in = {input(0), input(1), input(2), input(3), input(4), input(5)};
  job.recurrence.states = job.states;
  job.recurrence.length = args.op.attributes().integer("length");
  job.recurrence.rank_one = job.in.p != nullptr;
  job.space = cpu::ssm_kernel_space(job.channels, job.states, gradient ? job.recurrence.length : 0);
  return job;
}

Complex complex_at(const float* values, int64_t i, Complex absent) {
  return values ? Complex(double{values[2 * i]}, double{values[2 * i + 1]}) : absent;
}
void store_complex(float* values, int64_t i, Complex x) {
  values[2 * i] = static_cast<float>(x.real());
  values[2 * i + 1] = static_cast<float>(x.imag());
}

/// Number n of a channel among the coefficients of its block.
struct Place {
  int64_t channel;  ///< of the block
  double& re(double* c, int64_t n) const { return c[n * 2 * kSsmChannels + channel]; }
  double& im(double* c, int64_t n) const { return c[(n * 2 + 1) * kSsmChannels + channel]; }
  void set(double* c, int64_t n, Complex x) const {
    re(c, n) = x.real();
    im(c, n) = x.imag();
  }
  Complex get(double* c, int64_t n) const { return {re(c, n), im(c, n)}; }
};

/// The parameters of one state, discretised.
struct State {
  Complex a, b, c, p;
  Complex inverse;  ///< bilinear: 1 / (1 - dt/2 a)
  Complex factor;   ///< of the diagonal part
};

/// One channel: A = diag(a) - P P^* and x' = A x + B u. The bilinear rule (Tustin) divides by 1 - dt/2 A,
/// whose inverse follows from the diagonal's (Sherman & Morrison 1950).
struct Channel {
  const Job& job;
  int64_t h;
  double dt, half;
  double overlap = 0;    ///< P^* (1 - dt/2 diag(a))^-1 P
  double divisor = 1;    ///< 1 + dt/2 overlap
  double projected = 0;  ///< P^* (1 - dt/2 diag(a))^-1 B

  Channel(const Job& j, int64_t channel) : job(j), h(channel), dt(std::exp(double{j.in.log_dt[channel]})) {
    half = dt / 2;
    if (!job.recurrence.rank_one) return;
    for (int64_t n = 0; n < job.states; ++n) {
      const State s = state(n);
      overlap += 2 * std::norm(s.p) * s.inverse.real();
      projected += 2 * (std::conj(s.p) * s.b * s.inverse).real();
    }
    divisor = 1 + half * overlap;
  }

  State state(int64_t n) const {
    const int64_t i = h * job.states + n;
    State s;
    s.a = {-std::exp(double{job.in.a_real_log[i]}), double{job.in.a_imag[i]}};
    s.b = complex_at(job.in.b, i, 1);
    s.c = complex_at(job.in.c, i, 0);
    s.p = complex_at(job.in.p, i, 0);
    s.inverse = 1.0 / (1.0 - half * s.a);
    s.factor = job.bilinear ? 2.0 * s.inverse - 1.0 : std::exp(dt * s.a);
    return s;
  }
  Complex feedback(const State& s) const { return half / divisor * s.p * s.inverse; }
  Complex start(const State& s) const {
    if (!job.bilinear) return (s.factor - 1.0) / s.a * s.b;
    return dt * (s.b * s.inverse - feedback(s) * projected);
  }

  void discretize(const Place& place, const SsmCoefficients& c) const {
    for (int64_t n = 0; n < job.states; ++n) {
      const State s = state(n);
      place.set(c.factor, n, s.factor);
      place.set(c.output, n, s.c);
      place.set(c.start, n, start(s));
      if (!job.recurrence.rank_one) continue;
      place.set(c.feedback, n, feedback(s));
      place.set(c.sense, n, 2.0 * std::conj(s.p) * s.inverse);
    }
  }

  /// From the gradients of the coefficients to those of the parameters. Of a complex number z a gradient is
  /// d/dRe z + i d/dIm z, so that of w = f(z) it is multiplied by the conjugate of f'.
  void differentiate(const Place& place, const SsmCoefficients& g, const Parameters<float>& out) const {
    double dt_grad = 0, half_grad = 0, divisor_grad = 0, projected_grad = 0;
    if (job.recurrence.rank_one)
      for (int64_t n = 0; n < job.states; ++n) {
        const State s = state(n);
        const Complex start_grad = place.get(g.start, n);
        const Complex feedback_grad = place.get(g.feedback, n) - dt * projected * start_grad;
        projected_grad -= dt * (std::conj(feedback(s)) * start_grad).real();
        divisor_grad -= (std::conj(feedback_grad) * feedback(s)).real() / divisor;
      }
    half_grad += overlap * divisor_grad;
    const double overlap_grad = half * divisor_grad;
    for (int64_t n = 0; n < job.states; ++n) {
      const State s = state(n);
      const Complex start_grad = place.get(g.start, n), factor_grad = place.get(g.factor, n);
      Complex a_grad, b_grad, p_grad;
      dt_grad += job.bilinear ? (std::conj(start_grad) * start(s)).real() / dt : 0;
      if (job.bilinear) {
        b_grad = std::conj(dt * s.inverse) * start_grad;
        Complex inverse_grad = std::conj(dt * s.b) * start_grad + 2.0 * factor_grad;
        if (job.recurrence.rank_one) {
          const Complex feedback_grad = place.get(g.feedback, n) - dt * projected * start_grad;
          const Complex sense_grad = place.get(g.sense, n);
          inverse_grad += 2.0 * s.p * sense_grad;
          p_grad += 2.0 * s.inverse * std::conj(sense_grad);
          inverse_grad += std::conj(half / divisor * s.p) * feedback_grad;
          p_grad += std::conj(half / divisor * s.inverse) * feedback_grad;
          half_grad += (std::conj(feedback_grad) * s.p * s.inverse).real() / divisor;
          b_grad += 2 * projected_grad * s.p * std::conj(s.inverse);
          inverse_grad += 2 * projected_grad * s.p * std::conj(s.b);
          p_grad += 2 * projected_grad * s.b * s.inverse;
          inverse_grad += 2 * std::norm(s.p) * overlap_grad;
          p_grad += 4 * s.inverse.real() * overlap_grad * s.p;
        }
        const Complex product_grad = std::conj(s.inverse * s.inverse) * inverse_grad;  // of dt/2 a
        a_grad = half * product_grad;
        half_grad += (std::conj(product_grad) * s.a).real();
      } else {
        const Complex ratio = (s.factor - 1.0) / s.a;
        b_grad = std::conj(ratio) * start_grad;
        const Complex product_grad =
            std::conj(s.factor) * (factor_grad + std::conj(s.b / s.a) * start_grad);  // of dt a
        a_grad = dt * product_grad - std::conj(ratio / s.a * s.b) * start_grad;
        dt_grad += (std::conj(product_grad) * s.a).real();
      }
      const int64_t i = h * job.states + n;
      out.a_real_log[i] = static_cast<float>(a_grad.real() * s.a.real());
      out.a_imag[i] = static_cast<float>(a_grad.imag());
      store_complex(out.c, i, place.get(g.output, n));
      if (out.b) store_complex(out.b, i, b_grad);
      if (out.p) store_complex(out.p, i, p_grad);
    }
    out.log_dt[h] = static_cast<float>(dt * (dt_grad + half_grad / 2));
  }
};

/// fn(first channel, channels, recurrence with its coefficients, running state, further scratch memory).
template <typename F>
void each_block(const KernelArgs& args, const Job& job, F&& fn) {
  args.pool->parallel_for(job.space.blocks, [&](int64_t block, int thread) {
    double* const scratch = static_cast<double*>(args.workspace) + thread * job.space.thread;
    SsmRecurrence recurrence = job.recurrence;
    recurrence.coefficients = coefficients_at(job, scratch);
    std::fill_n(scratch, 5 * job.space.row, 0.0);
    const int64_t first = block * kSsmChannels, channels = std::min(kSsmChannels, job.channels - first);
    for (int64_t i = 0; i < channels; ++i) Channel(job, first + i).discretize({i}, recurrence.coefficients);
    fn(first, channels, recurrence, scratch + 5 * job.space.row, scratch + 6 * job.space.row);
  });
}

}  // namespace

void ssm_kernel_cpu(const KernelArgs& args) {
  const Job job = job_of(args, 0, false);
  const auto kernel = TIDEMARK_SIMD(ssm_kernel_block);
  const int64_t length = job.recurrence.length;
  each_block(args, job,
             [&](int64_t first, int64_t channels, const SsmRecurrence& recurrence, double* state, double*) {
               kernel(recurrence, channels, args.out<float>(0) + first * length, length, state);
             });
}

void ssm_kernel_grad_cpu(const KernelArgs& args) {
  const Job job = job_of(args, 1, true);
  const auto output = [&](int i) { return args.op.has_out(i) ? args.out<float>(i) : nullptr; };
  const Parameters<float> out{output(0), output(1), output(2), output(3), output(4), output(5)};
  const auto differentiate = TIDEMARK_SIMD(ssm_kernel_grad_block);
  const int64_t length = job.recurrence.length;
  each_block(
      args, job,
      [&](int64_t first, int64_t channels, const SsmRecurrence& recurrence, double* state, double* further) {
        const SsmCoefficients grads = coefficients_at(job, further);
        double* const before = further + 5 * job.space.row;
        const SsmSegments segments{job.space.segment_rows, before,
                                   before + job.space.segments * job.space.row};
        differentiate(recurrence, channels, args.in<float>(0) + first * length, length, segments, grads,
                      state);
        for (int64_t i = 0; i < channels; ++i) Channel(job, first + i).differentiate({i}, grads, out);
      });
}

}  // namespace tidemark::ops
