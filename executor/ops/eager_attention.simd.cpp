#include "executor/ops/eager_attention.h"

#include <algorithm>
#include <limits>

#include "executor/cpu/simd_math.h"
#include "executor/cpu/simd_reduce.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

int64_t visible(const ScoreRows& s, int64_t row) {
  return s.causal ? row + 1 : s.length;
}

template <typename T>
void softmax_rows(const ScoreRows& s, T* p, int64_t begin, int64_t end) {
  const Vec scale = broadcast(s.scale);
  for (int64_t row = begin; row < end; ++row) {
    T* const scores = p + row * s.length;
    const int64_t n = visible(s, row);
    Vec top = broadcast(-std::numeric_limits<float>::infinity());
    const int64_t whole = n / kLanes * kLanes;
    for (int64_t i = 0; i < whole; i += kLanes) top = max(top, scale * load(scores + i));
    float highest = largest(top);
    for (int64_t i = whole; i < n; ++i) highest = std::max(highest, s.scale * to_float(scores[i]));
    const Vec shift = broadcast(highest);
    const Vec share = broadcast(1 / sum_over(n, [&](int64_t i, auto w) {
                                  const Vec e = first_lanes(exp(fma(scale, load(scores + i, w), -shift)), w);
                                  store(scores + i, e, w);
                                  return e;
                                }));
    lanes(0, n, [&](int64_t i, auto w) { store(scores + i, share * load(scores + i, w), w); });
    lanes(n, s.length, [&](int64_t i, auto w) { store(scores + i, zero(), w); });
  }
}

template <typename T>
void gradient_rows(const ScoreRows& s, const T* p, float* dp, int64_t begin, int64_t end) {
  const Vec scale = broadcast(s.scale);
  for (int64_t row = begin; row < end; ++row) {
    const T* const probabilities = p + row * s.length;
    float* const gradient = dp + row * s.length;
    const int64_t n = visible(s, row);
    const Vec mean = broadcast(
        sum_over(n, [&](int64_t i, auto w) { return load(probabilities + i, w) * load(gradient + i, w); }));
    lanes(0, n, [&](int64_t i, auto w) {
      store(gradient + i, scale * load(probabilities + i, w) * (load(gradient + i, w) - mean), w);
    });
    lanes(n, s.length, [&](int64_t i, auto w) { store(gradient + i, zero(), w); });
  }
}

}  // namespace

void softmax_score_rows(const ScoreRows& s, void* p, int64_t begin, int64_t end) {
  s.bf16 ? softmax_rows(s, static_cast<Bf16*>(p), begin, end)
         : softmax_rows(s, static_cast<float*>(p), begin, end);
}

void score_gradient_rows(const ScoreRows& s, const void* p, float* dp, int64_t begin, int64_t end) {
  s.bf16 ? gradient_rows(s, static_cast<const Bf16*>(p), dp, begin, end)
         : gradient_rows(s, static_cast<const float*>(p), dp, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
