#include "executor/ops/column_sum.h"

#include <type_traits>

#include "executor/cpu/simd.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename X, typename Y>
void sum_columns(const ColumnSum& s, int64_t begin, int64_t end) {
  const X* x = static_cast<const X*>(s.x);
  Y* y = static_cast<Y*>(s.y);
  const Y* start = static_cast<const Y*>(s.start);
  // `kVectors` side by side: of a row, more than one cache line at a time.
  const auto sum = [&]<int kVectors>(std::integral_constant<int, kVectors>, int64_t j, auto w) {
    constexpr int64_t kBlock = 64;  // rows: rounding errors grow with the blocks and the rows of one
    const auto each = [](auto&& fn) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) fn(v, v * kLanes);
    };
    Vec total[kVectors];
    each([&](int v, int at) { total[v] = start ? load(start + j + at, w) : zero(); });
    for (int64_t block = 0; block < s.rows; block += kBlock) {
      const int64_t last = smaller(block + kBlock, s.rows);
      Vec even[kVectors], odd[kVectors];
      each([&](int v, int) { even[v] = odd[v] = zero(); });
      const X* row = x + block * s.ld + j;
      int64_t i = block;
      for (; i + 2 <= last; i += 2, row += 2 * s.ld)
        each([&](int v, int at) {
          even[v] = even[v] + load(row + at, w);
          odd[v] = odd[v] + load(row + s.ld + at, w);
        });
      if (i < last) each([&](int v, int at) { even[v] = even[v] + load(row + at, w); });
      each([&](int v, int) { total[v] = total[v] + (even[v] + odd[v]); });
    }
    each([&](int v, int at) { store(y + j + at, total[v], w); });
  };
  constexpr int kTogether = 4;
  for (; begin + kTogether * kLanes <= end; begin += kTogether * kLanes)
    sum(std::integral_constant<int, kTogether>{}, begin, Full{});
  lanes(begin, end, [&](int64_t j, auto w) { sum(std::integral_constant<int, 1>{}, j, w); });
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
