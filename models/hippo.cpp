#include "models/hippo.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/error.h"

namespace tidemark {
namespace {

using Complex = std::complex<double>;

constexpr const char* kNames[] = {"legs", "legt", "lagt", "fout"};

double root(int64_t n) {
  return std::sqrt(2 * static_cast<double>(n) + 1);
}

void fill_legs(LinearSystem& s, int64_t n) {
  s.b[static_cast<size_t>(n)] = root(n);
  for (int64_t k = 0; k <= n; ++k)
    s.a[static_cast<size_t>(n * s.states + k)] = k < n ? -root(n) * root(k) : -static_cast<double>(n + 1);
}

void fill_legt(LinearSystem& s, int64_t n) {
  s.b[static_cast<size_t>(n)] = root(n);
  for (int64_t k = 0; k < s.states; ++k)
    s.a[static_cast<size_t>(n * s.states + k)] = -root(n) * root(k) * (n < k && (k - n) % 2 == 1 ? -1 : 1);
}

void fill_lagt(LinearSystem& s, int64_t n) {
  s.b[static_cast<size_t>(n)] = 1;
  for (int64_t k = 0; k <= n; ++k) s.a[static_cast<size_t>(n * s.states + k)] = k < n ? -1 : -0.5;
}

/// Rows 0, 2, 4, … belong to cosines (0 to the constant), 1, 3, … to sines; row 1 is that of frequency 0.
void fill_fout(LinearSystem& s, int64_t n) {
  const auto weight = [](int64_t k) { return k == 0 ? 1.0 : k % 2 == 0 ? std::numbers::sqrt2 : 0.0; };
  s.b[static_cast<size_t>(n)] = 2 * weight(n);
  for (int64_t k = 0; k < s.states; ++k)
    s.a[static_cast<size_t>(n * s.states + k)] = -2 * weight(n) * weight(k);
  const double turn = 2 * std::numbers::pi * static_cast<double>(n / 2);
  const int64_t other = n % 2 == 0 ? n + 1 : n - 1;
  s.a[static_cast<size_t>(n * s.states + other)] += n % 2 == 0 ? -turn : turn;
}

/// Eigenvectors (columns of `v`, unitary) of a Hermitian matrix, which becomes diagonal: cyclic Jacobi
/// rotations (Golub & Van Loan, section 8.5).
void diagonalize(int64_t n, std::vector<Complex>& m, std::vector<Complex>& v) {
  const auto at = [n](std::vector<Complex>& x, int64_t i, int64_t j) -> Complex& {
    return x[static_cast<size_t>(i * n + j)];
  };
  v.assign(m.size(), 0);
  for (int64_t i = 0; i < n; ++i) at(v, i, i) = 1;
  constexpr int kMostSweeps = 60;
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    double outside = 0, whole = 0;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) (i == j ? whole : outside) += std::norm(at(m, i, j));
    if (outside <= 1e-26 * (whole + outside)) return;
    for (int64_t p = 0; p < n; ++p)
      for (int64_t q = p + 1; q < n; ++q) {
        const Complex off = at(m, p, q);
        const double size = std::abs(off);
        if (size == 0) continue;
        const Complex phase = off / size;
        const double theta = (at(m, q, q).real() - at(m, p, p).real()) / (2 * size);
        const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        const auto rotate_columns = [&](std::vector<Complex>& x) {
          for (int64_t i = 0; i < n; ++i) {
            const Complex a = at(x, i, p), b = at(x, i, q) * std::conj(phase);
            at(x, i, p) = c * a - s * b;
            at(x, i, q) = s * a + c * b;
          }
        };
        rotate_columns(m);
        for (int64_t i = 0; i < n; ++i) {
          const Complex a = at(m, p, i), b = at(m, q, i) * phase;
          at(m, p, i) = c * a - s * b;
          at(m, q, i) = s * a + c * b;
        }
        rotate_columns(v);
      }
  }
  throw InternalError("the eigenvalues of HiPPO's matrix did not converge");
}

/// P of which A + P P^T is normal.
std::vector<double> low_rank_part(HippoMeasure measure, const LinearSystem& s) {
  if (measure != HippoMeasure::legs && measure != HippoMeasure::lagt)
    throw Error("cannot diagonalise HiPPO's matrix", kNames[static_cast<size_t>(measure)],
                "its eigenvalues are not those of a diagonal in conjugate pairs plus rank one",
                "use legs or lagt");
  std::vector<double> p(s.b);
  for (double& value : p) value /= std::numbers::sqrt2;
  return p;
}

}  // namespace

HippoMeasure hippo_measure(const std::string& name, const std::string& where) {
  std::string known;
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (name == kNames[i]) return static_cast<HippoMeasure>(i);
    known += (i > 0 ? ", " : "") + std::string(kNames[i]);
  }
  throw Error("unknown HiPPO measure", where, "'" + name + "'", "give one of: " + known);
}

LinearSystem hippo(HippoMeasure measure, int64_t states) {
  if (states < 1 || states > 4096 || (measure == HippoMeasure::fout && states % 2 != 0))
    throw Error("cannot make HiPPO's matrices", "states", "is " + std::to_string(states),
                measure == HippoMeasure::fout ? "give an even number up to 4096" : "give 1 to 4096");
  LinearSystem s{states, std::vector<double>(static_cast<size_t>(states * states)),
                 std::vector<double>(static_cast<size_t>(states))};
  for (int64_t n = 0; n < states; ++n) switch (measure) {
      case HippoMeasure::legs: fill_legs(s, n); break;
      case HippoMeasure::legt: fill_legt(s, n); break;
      case HippoMeasure::lagt: fill_lagt(s, n); break;
      case HippoMeasure::fout: fill_fout(s, n); break;
    }
  return s;
}

NormalPlusLowRank hippo_nplr(HippoMeasure measure, int64_t states) {
  if (states % 2 != 0)
    throw Error("cannot make HiPPO's matrices", "states", "is " + std::to_string(states),
                "give an even number");
  const LinearSystem s = hippo(measure, states);
  const auto n = static_cast<size_t>(states);
  const std::vector<double> p = low_rank_part(measure, s);
  // A + P P^T is a multiple of the identity plus S, skew-symmetric; -i S is Hermitian.
  const double diagonal = s.a[0] + p[0] * p[0];
  std::vector<Complex> m(n * n), v;
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      if (i != j) m[i * n + j] = Complex(0, -(s.a[i * n + j] + p[i] * p[j]));
  diagonalize(states, m, v);

  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto frequency = [&](size_t i) { return m[i * n + i].real(); };
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return frequency(i) < frequency(j); });
  NormalPlusLowRank result;
  for (size_t k = n / 2; k < n; ++k) {
    const size_t column = order[k];
    Complex b = 0, low_rank = 0;
    for (size_t i = 0; i < n; ++i) {
      b += std::conj(v[i * n + column]) * s.b[i];
      low_rank += std::conj(v[i * n + column]) * p[i];
    }
    // Of an eigenvector any turn in the complex plane will do: the one that makes B real.
    const Complex turn = std::abs(b) > 0 ? std::conj(b) / std::abs(b) : 1;
    result.a.emplace_back(diagonal, frequency(column));
    result.b.push_back(b * turn);
    result.p.push_back(low_rank * turn);
  }
  return result;
}

}  // namespace tidemark
