// Masks by degree, applied to what a product packs or has made. Degrees are compared as floats, which hold
// them exactly up to 2^24.
#pragma once

#include "executor/cpu/gemm.h"
#include "executor/cpu/gemm_micro.h"

namespace tidemark::cpu::TIDEMARK_ISA_NS {

/// An element counts where its input's degree is below its output's degree plus this.
inline Vec mask_margin(const DegreeMask& mask) {
  return broadcast(mask.strict ? 0.0f : 1.0f);
}

/// Packed panels of B[k, n], whose first element is element (p, j) of B; rows are inputs or outputs.
template <bool kRowsAreInputs>
inline void mask_panels(const DegreeMask& mask, int64_t p, int64_t k, int64_t j, int64_t n, float* b) {
  const Vec margin = mask_margin(mask);
  const int32_t* const of_rows = (kRowsAreInputs ? mask.inputs : mask.outputs) + p;
  const int32_t* const of_columns = (kRowsAreInputs ? mask.outputs : mask.inputs) + j;
  for (int64_t panel = 0; panel < n; panel += kTileColumns, b += k * kTileColumns)
    lanes(panel, smaller(n, panel + kTileColumns), [&](int64_t column, auto w) {
      const Vec loaded = load(of_columns + column, w);
      const Vec of_column = kRowsAreInputs ? loaded + margin : loaded;
      float* at = b + (column - panel);
      for (int64_t row = 0; row < k; ++row, at += kTileColumns) {
        const Vec of_row = broadcast(static_cast<float>(of_rows[row]));
        const Vec v = load(at, w);
        store(at,
              kRowsAreInputs ? select_less(of_row, of_column, v, zero())
                             : select_less(of_column, of_row + margin, v, zero()),
              w);
      }
    });
}

/// Rows [i, i + m) and columns [j, j + n) of a weight's gradient: to = start + what counts of c.
template <typename T>
inline void store_masked(const Gemm& g, int64_t i, int64_t m, int64_t j, int64_t n, const float* c,
                         int64_t ldc) {
  const Vec margin = mask_margin(g.c_mask);
  for (int64_t row = 0; row < m; ++row, c += ldc) {
    T* const to = static_cast<T*>(g.c) + (i + row) * g.ldc + j;
    const T* const start = g.start ? static_cast<const T*>(g.start) + (i + row) * g.ld_start + j : nullptr;
    const Vec of_output = broadcast(static_cast<float>(g.c_mask.outputs[i + row])) + margin;
    lanes(0, n, [&](int64_t column, auto w) {
      const Vec of_input = load(g.c_mask.inputs + j + column, w);
      const Vec kept = select_less(of_input, of_output, load(c + column, w), zero());
      store(to + column, start ? load(start + column, w) + kept : kept, w);
    });
  }
}

}  // namespace tidemark::cpu::TIDEMARK_ISA_NS
