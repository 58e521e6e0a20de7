#include "executor/ops/latent_heads.h"

#include "executor/cpu/simd.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
void backward(const LatentHeads& h, int64_t begin, int64_t end) {
  const int64_t k_columns = h.keys + h.shared_columns, kv_columns = h.keys + h.values;
  for (int64_t row = begin; row < end; ++row) {
    const T* const k = static_cast<const T*>(h.k) + row * h.heads * k_columns;
    const T* const v = static_cast<const T*>(h.v) + row * h.heads * h.values;
    T* const projected = static_cast<T*>(h.projected) + row * h.heads * kv_columns;
    T* const shared = static_cast<T*>(h.shared) + row * h.shared_columns;
    for (int64_t head = 0; head < h.heads; ++head) {
      convert(k + head * k_columns, projected + head * kv_columns, h.keys);
      convert(v + head * h.values, projected + head * kv_columns + h.keys, h.values);
    }
    lanes(0, h.shared_columns, [&](int64_t i, auto w) {
      Vec total = zero();
      for (int64_t head = 0; head < h.heads; ++head)
        total = total + load(k + head * k_columns + h.keys + i, w);
      store(shared + i, total, w);
    });
  }
}

}  // namespace

void latent_heads_grad_rows(const LatentHeads& h, int64_t begin, int64_t end) {
  h.bf16 ? backward<Bf16>(h, begin, end) : backward<float>(h, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
