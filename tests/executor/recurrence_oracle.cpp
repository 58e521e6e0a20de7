#include "tests/executor/recurrence_oracle.h"

namespace tidemark::test {

bool Recurrence::begins(int64_t row) const {
  return std::find(cu_seqlens.begin(), cu_seqlens.end(), row) != cu_seqlens.end();
}

Recurrence::Result Recurrence::run() const {
  Result r;
  r.y.resize(static_cast<size_t>(rows * channels));
  r.states.resize(static_cast<size_t>(rows * channels * states));
  for (int64_t t = 0; t < rows; ++t) {
    const bool first = begins(t);
    for (int64_t e = 0; e < channels; ++e) {
      double& y = r.y[at(t, e)];
      y = d[static_cast<size_t>(e)] * u[at(t, e)];
      for (int64_t n = 0; n < states; ++n) {
        const double before = first ? 0 : r.states[at(t - 1, e, n)];
        const double now = std::exp(delta[at(t, e)] * a[at(0, e, n)]) * before +
                           delta[at(t, e)] * b[group_at(t, e, n)] * u[at(t, e)];
        r.states[at(t, e, n)] = now;
        y += c[group_at(t, e, n)] * now;
      }
    }
  }
  return r;
}

Recurrence::Gradient Recurrence::differentiate(const Result& result, const Values& dy) const {
  Gradient g{Values(delta.size()), Values(u.size()), Values(b.size()),
             Values(c.size()),     Values(a.size()), Values(d.size())};
  Values dh(static_cast<size_t>(channels * states));
  for (int64_t t = rows; t-- > 0;) {
    const bool first = begins(t);
    for (int64_t e = 0; e < channels; ++e) {
      const double out = dy[at(t, e)], in = u[at(t, e)], step = delta[at(t, e)];
      g.u[at(t, e)] = d[static_cast<size_t>(e)] * out;
      g.d_sum[static_cast<size_t>(e)] += out * in;
      for (int64_t n = 0; n < states; ++n) {
        const size_t i = group_at(t, e, n);
        double& dhn = dh[at(0, e, n)];
        dhn += out * c[i];
        g.c[i] += out * result.states[at(t, e, n)];
        g.b[i] += dhn * step * in;
        g.u[at(t, e)] += dhn * step * b[i];
        const double before = first ? 0 : result.states[at(t - 1, e, n)];
        const double decay = std::exp(step * a[at(0, e, n)]);
        g.delta[at(t, e)] += dhn * (b[i] * in + a[at(0, e, n)] * decay * before);
        g.a[at(0, e, n)] += dhn * step * decay * before;
        dhn = first ? 0 : dhn * decay;
      }
    }
  }
  return g;
}

}  // namespace tidemark::test
