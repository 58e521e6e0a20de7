#include "executor/ops/grouped_linear.h"

#include "executor/cpu/simd.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
void begin_typed(const TokenSums& s) {
  const T* const start = static_cast<const T*>(s.start);
  for (int64_t at = 0; at < s.tokens * s.ld; at += s.ld)
    lanes(at, at + s.width,
          [&](int64_t i, auto w) { store(s.sums + i, start ? load(start + i, w) : zero(), w); });
}

}  // namespace

void begin_sums(const TokenSums& s) {
  s.bf16 ? begin_typed<Bf16>(s) : begin_typed<float>(s);
}

void add_to_sums(const TokenSums& s, const float* product, const int32_t* tokens, int64_t rows) {
  for (int64_t row = 0; row < rows; ++row, product += s.width) {
    float* const to = s.sums + tokens[row] * s.ld;
    lanes(0, s.width, [&](int64_t i, auto w) { store(to + i, load(to + i, w) + load(product + i, w), w); });
  }
}

void end_sums(const TokenSums& s) {
  if (!s.bf16) return;
  for (int64_t at = 0; at < s.tokens * s.ld; at += s.ld)
    convert(s.sums + at, static_cast<Bf16*>(s.y) + at, s.width);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
