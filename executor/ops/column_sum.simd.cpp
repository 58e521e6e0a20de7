#include "executor/ops/column_sum.h"

#include "executor/cpu/simd.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename X, typename Y>
void sum_columns(const ColumnSum& s, int64_t begin, int64_t end) {
  const X* x = static_cast<const X*>(s.x);
  Y* y = static_cast<Y*>(s.y);
  const Y* start = static_cast<const Y*>(s.start);
  constexpr int64_t kBlock = 64;  // rows: rounding errors grow with the blocks and the rows of one
  lanes(begin, end, [&](int64_t j, auto w) {
    Vec total = start ? load(start + j, w) : zero();
    for (int64_t block = 0; block < s.rows; block += kBlock) {
      const int64_t last = smaller(block + kBlock, s.rows);
      Vec even = zero(), odd = zero();
      int64_t i = block;
      for (; i + 2 <= last; i += 2) {
        even = even + load(x + i * s.ld + j, w);
        odd = odd + load(x + (i + 1) * s.ld + j, w);
      }
      if (i < last) even = even + load(x + i * s.ld + j, w);
      total = total + (even + odd);
    }
    store(y + j, total, w);
  });
}

}  // namespace

void column_sum_range(const ColumnSum& s, int64_t begin, int64_t end) {
  if (s.x_bf16)
    sum_columns<Bf16, Bf16>(s, begin, end);
  else if (s.y_bf16)
    sum_columns<float, Bf16>(s, begin, end);
  else
    sum_columns<float, float>(s, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
