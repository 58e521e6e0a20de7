#include "executor/ops/optimizer.h"

#include "executor/cpu/simd_reduce.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

/// The parameters from i on after the step, in f32, of which the moments are stored.
template <typename T, typename Width>
inline Vec advance(const AdamW& a, int64_t i, Width w) {
  const Vec g = load(static_cast<const T*>(a.grad) + i, w) * broadcast(a.grad_scale);
  const Vec m = fma(broadcast(a.beta1), load(a.m + i, w), broadcast(1 - a.beta1) * g);
  const Vec v = fma(broadcast(a.beta2), load(a.v + i, w), broadcast(1 - a.beta2) * (g * g));
  const Vec p = a.master ? load(a.master + i, w) : load(static_cast<const T*>(a.param) + i, w);
  const Vec denominator = sqrt(v * broadcast(a.v_correction)) + broadcast(a.epsilon);
  store(a.m + i, m, w);
  store(a.v + i, v, w);
  return fnma(broadcast(a.step), m / denominator, p * broadcast(a.decay));
}

template <typename T>
void update(const AdamW& a, int64_t begin, int64_t end) {
  T* const param = static_cast<T*>(a.param);
  lanes(begin, end, [&](int64_t i, auto w) {
    const Vec next = advance<T>(a, i, w);
    if (a.master) store(a.master + i, next, w);
    store(param + i, next, w);
  });
}

/// x to bf16: up where the part that is cut off, of 2^16, and a random number of 16 bits together reach 2^16.
inline uint16_t rounded_at_random(float x, uint32_t random) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  if ((bits & 0x7f800000) == 0x7f800000)  // no number, or infinite
    return static_cast<uint16_t>(bits >> 16 | ((bits & 0x7fffff) ? 0x40 : 0));
  return static_cast<uint16_t>((bits + random) >> 16);
}

/// Element e takes the halves of the random words in turn.
void update_rounded(const AdamW& a, int64_t begin, int64_t end) {
  uint32_t words[4 * kPhiloxBatch];
  float next[kRoundingBatch];
  Bf16* const param = static_cast<Bf16*>(a.param);
  for (int64_t batch = begin; batch < end; batch += kRoundingBatch) {
    const int64_t n = smaller(kRoundingBatch, end - batch);
    philox(a.key, static_cast<uint64_t>(batch) / 8, a.site, words);
    lanes(0, n, [&](int64_t i, auto w) { store(next + i, advance<Bf16>(a, batch + i, w), w); });
    for (int64_t i = 0; i < n; ++i)
      param[batch + i].bits = rounded_at_random(next[i], words[i / 2] >> (i % 2 * 16) & 0xffff);
  }
}

template <typename T>
float squares(const T* x, int64_t n) {
  return sum_over(n, [&](int64_t i, auto w) {
    const Vec v = load(x + i, w);
    return v * v;
  });
}

}  // namespace

void adamw_range(const AdamW& a, int64_t begin, int64_t end) {
  if (a.rounds) return update_rounded(a, begin, end);
  a.bf16 ? update<Bf16>(a, begin, end) : update<float>(a, begin, end);
}

float sum_of_squares(bool bf16, const void* x, int64_t begin, int64_t end) {
  return bf16 ? squares(static_cast<const Bf16*>(x) + begin, end - begin)
              : squares(static_cast<const float*>(x) + begin, end - begin);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
