#include "executor/ops/embedding.h"

#include "executor/cpu/simd.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
void copy_typed(const T* x, int64_t n, float scale, T* y) {
  const Vec factor = broadcast(scale);
  lanes(0, n, [&](int64_t i, auto w) { store(y + i, factor * load(x + i, w), w); });
}

template <typename T>
void add_typed(const T* x, const uint64_t* keys, int64_t n, int64_t columns, float scale, T* y) {
  const Vec factor = broadcast(scale);
  lanes(0, columns, [&](int64_t j, auto w) {
    Vec total = load(y + j, w);
    for (int64_t i = 0; i < n; ++i)
      total = fma(factor, load(x + static_cast<int64_t>(keys[i] & 0xffffffff) * columns + j, w), total);
    store(y + j, total, w);
  });
}

}  // namespace

void scale_copy(bool bf16, const void* x, int64_t n, float scale, void* y) {
  if (bf16)
    copy_typed(static_cast<const Bf16*>(x), n, scale, static_cast<Bf16*>(y));
  else
    copy_typed(static_cast<const float*>(x), n, scale, static_cast<float*>(y));
}

void add_rows(bool bf16, const void* x, const uint64_t* keys, int64_t n, int64_t columns, float scale,
              void* y) {
  if (bf16)
    add_typed(static_cast<const Bf16*>(x), keys, n, columns, scale, static_cast<Bf16*>(y));
  else
    add_typed(static_cast<const float*>(x), keys, n, columns, scale, static_cast<float*>(y));
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
