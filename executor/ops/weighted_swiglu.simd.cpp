#include "executor/ops/weighted_swiglu.h"

#include "executor/cpu/simd_math.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
void forward(const WeightedSwiglu& s, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const Vec weight = broadcast(s.weights[s.slots[row]]);
    const int64_t at = row * s.columns;
    lanes(at, at + s.columns, [&](int64_t i, auto w) {
      const Vec gate = load(static_cast<const T*>(s.gate) + i, w);
      const Vec up = load(static_cast<const T*>(s.up) + i, w);
      store(static_cast<T*>(s.y) + i, weight * gate * sigmoid(gate) * up, w);
    });
  }
}

template <typename T>
void backward(const WeightedSwiglu& s, int64_t begin, int64_t end) {
  const Vec one = broadcast(1);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t at = row * s.columns, slot = s.slots[row];
    const Vec weight = broadcast(s.weights[slot]);
    Vec dot = zero();
    lanes(at, at + s.columns, [&](int64_t i, auto w) {
      const Vec dy = load(static_cast<const T*>(s.dy) + i, w);
      const Vec gate = load(static_cast<const T*>(s.gate) + i, w);
      const Vec up = load(static_cast<const T*>(s.up) + i, w);
      const Vec open = sigmoid(gate), d = weight * dy;
      store(static_cast<T*>(s.dgate) + i, d * up * open * fma(gate, one - open, one), w);
      store(static_cast<T*>(s.dup) + i, d * gate * open, w);
      dot = fma(dy, gate * open * up, dot);  // zero past the columns, as what is loaded there
    });
    s.dweights[slot] = sum(dot);
  }
}

}  // namespace

void weighted_swiglu_rows(const WeightedSwiglu& s, int64_t begin, int64_t end) {
  s.bf16 ? forward<Bf16>(s, begin, end) : forward<float>(s, begin, end);
}

void weighted_swiglu_grad_rows(const WeightedSwiglu& s, int64_t begin, int64_t end) {
  s.bf16 ? backward<Bf16>(s, begin, end) : backward<float>(s, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
