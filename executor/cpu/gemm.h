// Matrix products of row-major f32 and bf16 operands, in the three forms that training needs.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"
#include "graph/cpu_workspace.h"

namespace tidemark {

class ThreadPool;

namespace cpu {

/// Which elements of a weight[outputs, inputs] count: those whose input's degree is below the output's, or
/// equal to it unless `strict` (MADE, Germain et al. 2015). Null: all.
struct DegreeMask {
  const int32_t* inputs = nullptr;
  const int32_t* outputs = nullptr;
  bool strict = false;
};

/// C[m, n] = start + bias + A[m, k] B[k, n], in f32 whatever the storage.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  const void* a = nullptr;  ///< A(i, p) = a[row(i) * lda + p]; transposed: a[row(p) * lda + i]
  int64_t lda = 0;
  bool a_transposed = false, a_bf16 = false;
  const void* b = nullptr;  ///< B(p, j) = b[row(p) * ldb + j]; transposed: b[j * ldb + p]
  int64_t ldb = 0;
  bool b_transposed = false, b_bf16 = false;
  const int32_t* a_rows = nullptr;  ///< row(p) of a transposed A, null: p; else row(i), where A is copied
  const int32_t* b_rows = nullptr;  ///< row(p) of a B that is not transposed, null: p
  void* c = nullptr;
  int64_t ldc = 0;
  bool c_bf16 = false;
  const void* start = nullptr;  ///< as c, and may be c; null: zero
  int64_t ld_start = 0;
  const void* bias = nullptr;  ///< [n], null: zero
  bool bias_bf16 = false;
  DegreeMask b_mask;  ///< of B as a weight: [n, k] where it is transposed, else [k, n]
  DegreeMask c_mask;  ///< of the product, as a weight [m, n]; not of `start`
};

/// Scratch memory: gemm_tiles (graph/cpu_workspace.h) of the shape says how much.
void gemm(const Gemm& g, void* workspace, ThreadPool* pool);

/// How gemm cuts a product for so many threads, and one of its tiles.rows * tiles.columns tasks.
GemmTiles tiles_of(const Gemm& g, int threads);
void gemm_task(const Gemm& g, const GemmTiles& tiles, int64_t task, void* scratch);

/// Rows [m0, m1) and columns [n0, n1) of C, by the instruction set in use. Scratch: see
/// GemmTiles::thread_bytes.
using GemmTile = void (*)(const Gemm& g, int64_t m0, int64_t m1, int64_t n0, int64_t n1, int64_t k_block,
                          bool copy_a, float* scratch);
GemmTile gemm_tile_kernel();
TIDEMARK_SIMD_DECLARE(void gemm_tile(const Gemm& g, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                                     int64_t k_block, bool copy_a, float* scratch);)

}  // namespace cpu
}  // namespace tidemark
