#include "executor/cpu/gemm.h"

#include "executor/cpu/thread_pool.h"
#include "graph/cpu_workspace.h"

namespace tidemark::cpu {

void gemm(const Gemm& g, void* workspace, ThreadPool* pool) {
  const bool copy_a = gemm_copies_a(g.a_bf16, g.a_transposed, g.lda);
  const GemmTiles tiles = gemm_tiles(g.m, g.n, g.k, copy_a, g.c_bf16 || g.c_mask.inputs, pool->threads());
  const auto tile = TIDEMARK_SIMD(gemm_tile);
  pool->parallel_for(tiles.rows * tiles.columns, [&](int64_t task, int thread) {
    const int64_t r = task % tiles.rows, c = task / tiles.rows;
    const auto column = [&](int64_t i) {
      return std::min(g.n, tiles.panels * i / tiles.columns * kPanelColumns);
    };
    tile(g, g.m * r / tiles.rows, g.m * (r + 1) / tiles.rows, column(c), column(c + 1), tiles.k_block, copy_a,
         static_cast<float*>(workspace) + thread * (tiles.thread_bytes / 4));
  });
}

}  // namespace tidemark::cpu
