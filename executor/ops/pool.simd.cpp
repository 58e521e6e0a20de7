#include "executor/ops/pool.h"

#include "executor/cpu/simd.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

/// The rows of a sequence that the pooled one is the mean of.
struct Pooled {
  int64_t begin, end;
  float weight;

  Pooled(const Pool& p, int64_t sequence) : begin(p.cu_seqlens[sequence]), end(p.cu_seqlens[sequence + 1]) {
    if (!p.mean && begin < end) begin = end - 1;
    weight = begin < end ? 1.0f / static_cast<float>(end - begin) : 0.0f;
  }
};

template <typename T>
void pool(const Pool& p, const void* in, void* out, int64_t sequence) {
  const Pooled rows(p, sequence);
  const T* x = static_cast<const T*>(in);
  T* y = static_cast<T*>(out) + sequence * p.columns;
  constexpr int64_t kBlock = 64;  // rows: rounding errors grow with the blocks and the rows of one
  lanes(0, p.columns, [&](int64_t i, auto w) {
    Vec total = zero();
    for (int64_t block = rows.begin; block < rows.end; block += kBlock) {
      Vec sum = zero();
      for (int64_t row = block; row < smaller(block + kBlock, rows.end); ++row)
        sum = sum + load(x + row * p.columns + i, w);
      total = total + sum;
    }
    store(y + i, total * broadcast(rows.weight), w);
  });
}

template <typename T>
void pool_grad(const Pool& p, const void* in, void* out, int64_t sequence) {
  const Pooled rows(p, sequence);
  const T* dy = static_cast<const T*>(in) + sequence * p.columns;
  for (int64_t row = p.cu_seqlens[sequence]; row < p.cu_seqlens[sequence + 1]; ++row) {
    const Vec weight = broadcast(row < rows.begin ? 0.0f : rows.weight);
    T* dx = static_cast<T*>(out) + row * p.columns;
    lanes(0, p.columns, [&](int64_t i, auto w) { store(dx + i, load(dy + i, w) * weight, w); });
  }
}

}  // namespace

void pool_sequence(const Pool& p, const void* x, void* y, int64_t sequence) {
  p.bf16 ? pool<Bf16>(p, x, y, sequence) : pool<float>(p, x, y, sequence);
}

void pool_grad_sequence(const Pool& p, const void* dy, void* dx, int64_t sequence) {
  p.bf16 ? pool_grad<Bf16>(p, dy, dx, sequence) : pool_grad<float>(p, dy, dx, sequence);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
