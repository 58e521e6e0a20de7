#include "executor/ops/rope.h"

#include "executor/cpu/simd.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
void turn_rows(const Rope& r, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* cosines = r.table + row * 2 * r.pairs;
    const float* sines = cosines + r.pairs;
    for (int64_t head = row * r.heads; head < (row + 1) * r.heads; ++head) {
      const T* x = static_cast<const T*>(r.x) + head * r.head_columns;
      T* y = static_cast<T*>(r.y) + head * r.head_columns;
      lanes(0, r.pairs, [&](int64_t i, auto w) {
        const Vec c = load(cosines + i, w);
        const Vec s = r.inverse ? -load(sines + i, w) : load(sines + i, w);
        const Vec a = load(x + i, w), b = load(x + r.pairs + i, w);
        store(y + i, fnma(b, s, a * c), w);
        store(y + r.pairs + i, fma(a, s, b * c), w);
      });
      if (x != y) convert(x + 2 * r.pairs, y + 2 * r.pairs, r.head_columns - 2 * r.pairs);
    }
  }
}

}  // namespace

void rope_rows(const Rope& r, int64_t begin, int64_t end) {
  r.bf16 ? turn_rows<Bf16>(r, begin, end) : turn_rows<float>(r, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
