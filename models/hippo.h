// HiPPO: matrices of linear systems whose state holds the coefficients of a signal's past in a basis of
// polynomials, or of waves (Gu et al., "HiPPO: Recurrent Memory with Optimal Polynomial Projections",
// arXiv 2008.07669, appendix D; Gu et al., "How to Train Your HiPPO", arXiv 2206.12037).
#pragma once

#include <complex>
#include <cstdint>
#include <string>
#include <vector>

namespace tidemark {

/// x' = A x + B u. Row-major.
struct LinearSystem {
  int64_t states = 0;
  std::vector<double> a;  ///< [states, states]
  std::vector<double> b;  ///< [states]
};

enum class HippoMeasure : uint8_t {
  legs,  ///< scaled Legendre: all of the past with equal weight; in S4 with a time that does not shrink
  legt,  ///< translated Legendre: a window of length 1, as of the Legendre memory unit
  lagt,  ///< translated Laguerre: an exponentially decaying past
  fout,  ///< translated Fourier: a window of length 1; an even number of states
};

/// Throws Error naming the measures there are.
HippoMeasure hippo_measure(const std::string& name, const std::string& where);
/// Throws Error where `states` is not at least 1, or is odd for fout.
LinearSystem hippo(HippoMeasure measure, int64_t states);

/// A as diagonal plus rank one in complex numbers (Gu et al. 2022, S4, theorem 1): unitary V with
/// A = V (diag(a) - P P^*) V^*, B replaced by V^* B. Of every two conjugates the one whose imaginary part is
/// positive.
struct NormalPlusLowRank {
  std::vector<std::complex<double>> a, b, p;  ///< [states / 2], by ascending imaginary part of a
};
/// Throws Error where `states` is odd, and for legt, which needs rank two, and fout, which has zero as an
/// eigenvalue.
NormalPlusLowRank hippo_nplr(HippoMeasure measure, int64_t states);

}  // namespace tidemark
