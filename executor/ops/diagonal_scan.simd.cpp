#include "executor/ops/diagonal_scan.h"

#include "executor/ops/channel_block.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

/// Rows whose sums are made apart: rounding errors grow with the groups and the rows of one.
constexpr int64_t kGroup = 64;

/// exp(-exp(nu_log) - i exp(theta_log)): the conjugate of lambda.
struct Decay {
  float re[kScanChannels] = {}, im[kScanChannels] = {};

  Decay(const DiagonalScan& s, const Block& block) {
    for (int64_t i = 0; i < block.channels; ++i) {
      const double radius = __builtin_exp(-__builtin_exp(double{s.nu_log[block.first + i]}));
      const double phase = __builtin_exp(double{s.theta_log[block.first + i]});
      re[i] = static_cast<float>(radius * __builtin_cos(phase));
      im[i] = static_cast<float>(-radius * __builtin_sin(phase));
    }
  }
};

template <typename T>
void scan_block(const DiagonalScan& s, const Block& block) {
  const T* const x_re = static_cast<const T*>(s.x[0]) + block.first;
  const T* const x_im = static_cast<const T*>(s.x[1]) + block.first;
  T* const out_re = static_cast<T*>(s.h[0]) + block.first;
  T* const out_im = static_cast<T*>(s.h[1]) + block.first;
  const Decay decay(s, block);
  float re[kScanChannels] = {}, im[kScanChannels] = {};
  for (int64_t row = 0; row < s.rows; row += kGroup) {
    const int64_t rows = smaller(kGroup, s.rows - row);
    const uint64_t starts = starts_among(s.sequences, row, rows);
    for (int64_t t = 0; t < rows; ++t) {
      const Vec carried = broadcast(starts >> t & 1 ? 0.0f : 1.0f);
      const int64_t at = (row + t) * s.channels;
      block_lanes(block.channels, [&](int64_t i, auto w) {
        const Vec r = load(re + i) * carried, m = load(im + i) * carried;
        const Vec a = load(decay.re + i), b = load(decay.im + i);
        const Vec next_r = fma(a, r, fnma(b, m, load(x_re + at + i, w)));
        const Vec next_m = fma(a, m, fma(b, r, -load(x_im + at + i, w)));
        store(re + i, next_r);
        store(im + i, next_m);
        store(out_re + at + i, next_r, w);
        store(out_im + at + i, next_m, w);
      });
    }
  }
}

/// With m the conjugate of lambda, s the state and G its gradient (in f32, whatever is stored): G(t) = dh(t)
/// + conj(m) G(t+1); x's gradient is conj(G), and m's the sum of G(t) conj(s(t-1)).
template <typename T>
void grad_block(const DiagonalScanGrad& g, const Block& block) {
  const DiagonalScan& s = g.scan;
  const auto part = [&](const void* p) { return static_cast<const T*>(p) + block.first; };
  const T *const dh_re = part(g.dh[0]), *const dh_im = part(g.dh[1]);
  const T *const h_re = part(s.h[0]), *const h_im = part(s.h[1]);
  T* const dx_re = static_cast<T*>(g.dx[0]) + block.first;
  T* const dx_im = static_cast<T*>(g.dx[1]) + block.first;
  const Decay decay(s, block);
  float re[kScanChannels] = {}, im[kScanChannels] = {};
  double dm_re[kScanChannels] = {}, dm_im[kScanChannels] = {};
  const int64_t groups = (s.rows + kGroup - 1) / kGroup;
  for (int64_t group = groups; group-- > 0;) {
    const int64_t row = group * kGroup, rows = smaller(kGroup, s.rows - row);
    const uint64_t starts = starts_among(s.sequences, row, rows);
    float sum_re[kScanChannels] = {}, sum_im[kScanChannels] = {};
    for (int64_t t = rows; t-- > 0;) {
      const bool begins = starts >> t & 1;
      const int64_t at = (row + t) * s.channels;
      block_lanes(block.channels, [&](int64_t i, auto w) {
        const Vec r = load(dh_re + at + i, w) + load(re + i), m = load(dh_im + at + i, w) + load(im + i);
        store(dx_re + at + i, r, w);
        store(dx_im + at + i, -m, w);
        if (begins) {
          store(re + i, zero());
          store(im + i, zero());
          return;
        }
        const Vec before_r = load(h_re + at - s.channels + i, w);
        const Vec before_m = load(h_im + at - s.channels + i, w);
        store(sum_re + i, fma(r, before_r, fma(m, before_m, load(sum_re + i))));
        store(sum_im + i, fma(m, before_r, fnma(r, before_m, load(sum_im + i))));
        const Vec a = load(decay.re + i), b = load(decay.im + i);
        store(re + i, fma(a, r, b * m));
        store(im + i, fma(a, m, -(b * r)));
      });
    }
    for (int64_t i = 0; i < block.channels; ++i) {
      dm_re[i] += double{sum_re[i]};
      dm_im[i] += double{sum_im[i]};
    }
  }
  for (int64_t i = 0; i < block.channels; ++i) {
    const double rate = __builtin_exp(double{s.nu_log[block.first + i]});
    const double phase = __builtin_exp(double{s.theta_log[block.first + i]});
    const double a = double{decay.re[i]}, b = double{decay.im[i]};
    g.dnu_log[block.first + i] = static_cast<float>(-rate * (dm_re[i] * a + dm_im[i] * b));
    g.dtheta_log[block.first + i] = static_cast<float>(phase * (dm_re[i] * b - dm_im[i] * a));
  }
}

}  // namespace

void diagonal_scan_block(const DiagonalScan& s, int64_t index) {
  const Block block = block_of(s.channels, index);
  s.bf16 ? scan_block<Bf16>(s, block) : scan_block<float>(s, block);
}

void diagonal_scan_grad_block(const DiagonalScanGrad& g, int64_t index) {
  const Block block = block_of(g.scan.channels, index);
  g.scan.bf16 ? grad_block<Bf16>(g, block) : grad_block<float>(g, block);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
