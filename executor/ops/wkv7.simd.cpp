#include "executor/ops/wkv7.h"

#include "executor/ops/wkv7_rows.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

template <typename T>
void run_head(const Wkv7& s, int64_t head, void* out, float* states, float* scratch) {
  Wkv7Memory memory(scratch);
  const Wkv7Rows rows(s, memory);
  const int64_t n = rows.columns, padded = rows.padded;
  float* const state = memory.take(s.space.state);
  float *products = memory.take(padded), *next_products = memory.take(padded);
  float* const y = memory.take(padded);
  fill_zero(state, s.space.state);
  for (int64_t row = 0, chunk = 0; row < s.rows; row += s.shape.chunk_rows, ++chunk) {
    const int64_t count = smaller(s.shape.chunk_rows, s.rows - row);
    const uint64_t starts = starts_among(s.sequences, row, count);
    float* const saved = states + (chunk * s.shape.heads + head) * n * n;
    for (int64_t i = 0; i < n; ++i) convert(state + i * padded, saved + i * n, n);
    load_chunk<T>(s, head, row, count, rows);
    times_a(state, rows.a, padded, padded, products);
    for (int64_t t = 0; t < count; ++t) {
      if (starts >> t & 1) {
        fill_zero(state, s.space.state);
        fill_zero(products, padded);
      }
      const int64_t next = smaller(t + 1, count - 1);
      advance<true>(rows, t, next, 0, padded, state, products, state, next_products, y);
      convert(y, static_cast<T*>(out) + element(s, head, row + t), n);
      float* const spare = products;
      products = next_products;
      next_products = spare;
    }
  }
}

}  // namespace

void wkv7_head(const Wkv7& s, int64_t head, void* y, float* states, float* scratch) {
  s.bf16 ? run_head<Bf16>(s, head, y, states, scratch) : run_head<float>(s, head, y, states, scratch);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
