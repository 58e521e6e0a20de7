#include "executor/cpu/gemm.h"

#include "executor/cpu/gemm_mask.h"
#include "executor/cpu/gemm_micro.h"

namespace tidemark::cpu::TIDEMARK_ISA_NS {
namespace {

template <typename T>
void pack_b(const Gemm& g, int64_t p, int64_t k, int64_t j, int64_t n, float* out) {
  const T* b = static_cast<const T*>(g.b);
  if (g.b_transposed)
    pack_transposed(b + j * g.ldb + p, g.ldb, k, n, out);
  else if (g.b_rows)
    pack_rows(b + j, g.ldb, g.b_rows + p, k, n, out);
  else
    pack_rows(b + p * g.ldb + j, g.ldb, nullptr, k, n, out);
  if (!g.b_mask.inputs) return;
  g.b_transposed ? mask_panels<true>(g.b_mask, p, k, j, n, out)
                 : mask_panels<false>(g.b_mask, p, k, j, n, out);
}

template <typename T>
void pack_a(const Gemm& g, int64_t i, int64_t m, int64_t p, int64_t k, float* out, int64_t ld) {
  const T* a = static_cast<const T*>(g.a);
  if (!g.a_transposed) {
    for (int64_t r = i; r < i + m; ++r)
      convert(a + (g.a_rows ? g.a_rows[r] : r) * g.lda + p, out + (r - i) * ld, k);
  } else if (g.a_rows) {
    pack_columns(a + i, g.lda, g.a_rows + p, m, k, out);
  } else {
    pack_columns(a + p * g.lda + i, g.lda, nullptr, m, k, out);
  }
}

}  // namespace

void gemm_tile(const Gemm& g, int64_t m0, int64_t m1, int64_t n0, int64_t n1, int64_t k_block, bool copy_a,
               float* scratch) {
  const int64_t m = m1 - m0, n = n1 - n0;
  const int64_t width = (n + 31) / 32 * 32;
  const int64_t a_ld = k_block + 16;  // not a power of two: rows would share cache sets
  float* const bias = scratch;
  float* const b = bias + width;
  float* const a = b + width * k_block;
  float* const own_c = a + (copy_a ? m * a_ld + 16 : 0);

  if (g.bias) {
    if (g.bias_bf16)
      convert(static_cast<const Bf16*>(g.bias) + n0, bias, n);
    else
      convert(static_cast<const float*>(g.bias) + n0, bias, n);
  }
  Start start{nullptr, 0, g.bias ? bias : nullptr};
  float* c = own_c;
  int64_t ldc = width;
  if (g.c_mask.inputs) {
    // The start is added once the product has been masked.
  } else if (g.c_bf16) {
    if (g.start) {
      const Bf16* from = static_cast<const Bf16*>(g.start) + m0 * g.ld_start + n0;
      for (int64_t i = 0; i < m; ++i) convert(from + i * g.ld_start, c + i * ldc, n);
      start.c = c;
      start.ld = ldc;
    }
  } else {
    c = static_cast<float*>(g.c) + m0 * g.ldc + n0;
    ldc = g.ldc;
    if (g.start) start.c = static_cast<const float*>(g.start) + m0 * g.ld_start + n0;
    start.ld = g.ld_start;
  }

  for (int64_t p = 0; p < g.k; p += k_block) {
    const int64_t k = smaller(k_block, g.k - p);
    g.b_bf16 ? pack_b<Bf16>(g, p, k, n0, n, b) : pack_b<float>(g, p, k, n0, n, b);
    if (copy_a) {
      g.a_bf16 ? pack_a<Bf16>(g, m0, m, p, k, a, a_ld) : pack_a<float>(g, m0, m, p, k, a, a_ld);
      if (g.a_transposed)
        multiply<Layout::panels>(m, n, k, a, 0, b, c, ldc, start);
      else
        multiply<Layout::rows>(m, n, k, a, a_ld, b, c, ldc, start);
    } else {
      multiply<Layout::rows>(m, n, k, static_cast<const float*>(g.a) + m0 * g.lda + p, g.lda, b, c, ldc,
                             start);
    }
    start = Start{c, ldc, nullptr};
  }
  if (g.c_mask.inputs) {
    g.c_bf16 ? store_masked<Bf16>(g, m0, m, n0, n, c, ldc) : store_masked<float>(g, m0, m, n0, n, c, ldc);
  } else if (g.c_bf16) {
    Bf16* to = static_cast<Bf16*>(g.c) + m0 * g.ldc + n0;
    for (int64_t i = 0; i < m; ++i) convert(c + i * ldc, to + i * g.ldc, n);
  }
}

}  // namespace tidemark::cpu::TIDEMARK_ISA_NS
