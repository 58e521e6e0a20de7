#include "executor/cpu/gemm.h"

#include "executor/cpu/thread_pool.h"

namespace tidemark::cpu {

GemmTiles tiles_of(const Gemm& g, int threads) {
  return gemm_tiles(g.m, g.n, g.k, gemm_copies_a(g.a_bf16, g.a_transposed, g.lda),
                    g.c_bf16 || g.c_mask.inputs, threads);
}

void gemm_task(const Gemm& g, const GemmTiles& tiles, int64_t task, void* scratch) {
  const int64_t r = task % tiles.rows, c = task / tiles.rows;
  const auto column = [&](int64_t i) {
    return std::min(g.n, tiles.panels * i / tiles.columns * kPanelColumns);
  };
  TIDEMARK_SIMD(gemm_tile)
  (g, g.m * r / tiles.rows, g.m * (r + 1) / tiles.rows, column(c), column(c + 1), tiles.k_block,
   gemm_copies_a(g.a_bf16, g.a_transposed, g.lda), static_cast<float*>(scratch));
}

GemmTile gemm_tile_kernel() {
  return TIDEMARK_SIMD(gemm_tile);
}

void gemm(const Gemm& g, void* workspace, ThreadPool* pool) {
  const GemmTiles tiles = tiles_of(g, pool->threads());
  pool->parallel_for(tiles.rows * tiles.columns, [&](int64_t task, int thread) {
    gemm_task(g, tiles, task, static_cast<char*>(workspace) + thread * tiles.thread_bytes);
  });
}

}  // namespace tidemark::cpu
