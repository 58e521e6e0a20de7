#include "executor/ops/scale_rows.h"

#include "executor/cpu/simd_reduce.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
void scale(const ScaleRows& s, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const T* weight = static_cast<const T*>(s.weight) + row * s.columns;
    const T* x = s.dy ? static_cast<const T*>(s.dy) + row * s.columns : weight;
    T* y = static_cast<T*>(s.y) + row * s.columns;
    const auto factor = static_cast<float>(__builtin_exp(double{s.log_scale[row]}));
    if (s.dy)
      s.dlog_scale[row] = factor * sum_over(s.columns, [&](int64_t i, auto w) {
                            return load(x + i, w) * load(weight + i, w);
                          });
    lanes(0, s.columns, [&](int64_t i, auto w) { store(y + i, load(x + i, w) * broadcast(factor), w); });
  }
}

}  // namespace

void scale_rows_range(const ScaleRows& s, int64_t begin, int64_t end) {
  s.bf16 ? scale<Bf16>(s, begin, end) : scale<float>(s, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
