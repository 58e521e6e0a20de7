#include "graph/cpu_workspace.h"

#include <algorithm>

#include "base/divided.h"

namespace tidemark::cpu {
namespace {

int64_t rounded(int64_t bytes) {
  return (bytes + 63) / 64 * 64;
}

constexpr int64_t kTileRows = 512;
constexpr int64_t kCopiedTileRows = 256;
constexpr int64_t kTilePanels = 8;
constexpr int64_t kLargestKBlock = 320;

}  // namespace

bool gemm_copies_a(bool a_bf16, bool a_transposed, int64_t lda) {
  return a_bf16 || a_transposed || lda % 1024 == 0;
}

GemmTiles gemm_tiles(int64_t m, int64_t n, int64_t k, bool copy_a, bool copy_c, int threads) {
  GemmTiles t;
  t.k_block = divided(k, divided(k, kLargestKBlock));
  t.panels = divided(n, kPanelColumns);
  t.rows = divided(m, copy_a ? kCopiedTileRows : kTileRows);
  t.columns = divided(t.panels, kTilePanels);
  // A busy neighbour may slow one thread down: leave the others something to take over.
  const int64_t wanted = 4 * threads;
  if (t.rows * t.columns < wanted) t.columns = std::min(divided(t.panels, 2), divided(wanted, t.rows));
  if (t.rows * t.columns < wanted) t.rows = std::min(divided(m, 64), divided(wanted, t.columns));
  t.rows = std::max<int64_t>(t.rows, 1);
  const int64_t tile_m = divided(m, t.rows), width = divided(t.panels, t.columns) * kPanelColumns;
  t.thread_bytes = rounded(4 * (width + width * t.k_block + (copy_a ? tile_m * (t.k_block + 16) + 16 : 0) +
                                (copy_c ? tile_m * width : 0)));
  return t;
}

int64_t gemm_scratch(int64_t m, int64_t n, int64_t k, bool copy_a, bool copy_c, int threads) {
  int64_t bytes = 0;
  for (int t = 1; t <= threads; ++t) {
    const GemmTiles tiles = gemm_tiles(m, n, k, copy_a, copy_c, t);
    bytes = std::max(bytes, tiles.thread_bytes * std::min<int64_t>(t, tiles.rows * tiles.columns));
  }
  return bytes;
}

int64_t gemm_workspace(const GemmShape& s, int threads) {
  const bool bf16 = s.dtype == DType::bf16;
  return gemm_scratch(s.m, s.n, s.k, gemm_copies_a(bf16, s.a_transposed, s.a_transposed ? s.m : s.k),
                      bf16 || s.c_masked, threads);
}

int64_t grouped_k_block(int64_t k) {
  return divided(k, std::max<int64_t>(1, divided(k, kLargestKBlock)));
}
GroupedSpace grouped_space(int64_t slots, int64_t tokens, int64_t columns, int64_t k, DType dtype,
                           bool sums) {
  const int64_t width = std::min(kGroupedColumns, divided(columns, kPanelColumns) * kPanelColumns);
  const int64_t k_block = std::min(k, kLargestKBlock);
  GroupedSpace s;
  s.tokens_bytes = rounded(4 * slots);
  if (sums && dtype != DType::f32) s.sums_bytes = rounded(4 * tokens * columns);
  s.thread_bytes =
      rounded(4 * (width + width * k_block + kGroupedRows * (k_block + 16) + 16 + kGroupedRows * width));
  return s;
}
int64_t moe_route_workspace(int64_t experts, int threads) {
  return rounded(4 * experts) * threads;
}

int64_t embedding_grad_workspace(int64_t tokens) {
  return rounded(tokens * 8);
}
int64_t norm_grad_workspace(int64_t tokens, int64_t sums) {
  return rounded(divided(tokens, kNormGradRows) * sums * 4);
}
int64_t attention_workspace(int64_t dim, int64_t value_dim, int threads) {
  // Of a block: q, o, keys and values with their padding, scores, the running maximum and sum.
  return rounded(4 * kAttentionBlock * (2 * (dim + value_dim) + 2 * 16 + kPanelColumns + 2)) * threads;
}
AttentionGradSpace attention_grad_space(int64_t queries, int64_t keys, int64_t heads, int64_t kv_heads,
                                        int64_t dim, int64_t value_dim, DType dtype) {
  const auto padded = [](int64_t columns) { return divided(columns, kPanelColumns) * kPanelColumns; };
  AttentionGradSpace s;
  // Of a block: q, do and dq as columns, q and do as rows, keys and values, p and ds, lse and delta.
  s.thread_bytes = rounded(4 * kAttentionBlock *
                           (2 * dim + value_dim + padded(dim) + padded(value_dim) + dim + value_dim + 2 * 16 +
                            2 * kPanelColumns + 2));
  s.progress_bytes = rounded(4 * divided(queries, kAttentionBlock) * heads);
  if (dtype == DType::f32) return s;
  s.dk_bytes = rounded(4 * keys * kv_heads * dim);
  s.dv_bytes = rounded(4 * keys * kv_heads * value_dim);
  return s;
}
int64_t cross_entropy_chunk_rows(int64_t tokens, int64_t vocabulary) {
  // Fewer would make packing the weight, once per chunk, and adding to its gradient dominate.
  constexpr int64_t kFewest = 128;
  return std::min(tokens, std::max(kFewest, (1 << 20) / vocabulary));
}
CrossEntropySpace cross_entropy_space(int64_t tokens, int64_t hidden, int64_t vocabulary, int64_t chunk_rows,
                                      DType dtype, bool with_gradient, int threads) {
  const bool bf16 = dtype == DType::bf16;
  CrossEntropySpace space;
  space.logits_ld = divided(vocabulary, 16) * 16;
  // Rows that lie a multiple of 4 KiB apart would share cache sets.
  if (space.logits_ld % 1024 == 0) space.logits_ld += 16;
  space.logits_bytes = rounded(chunk_rows * space.logits_ld * 4);
  space.losses_bytes = rounded(tokens * 4);
  const auto products = [&](int64_t rows) {
    const int64_t logits =
        gemm_scratch(rows, vocabulary, hidden, gemm_copies_a(bf16, false, hidden), false, threads);
    if (!with_gradient) return logits;
    return std::max({logits, gemm_scratch(vocabulary, hidden, rows, true, bf16, threads),
                     gemm_scratch(rows, hidden, vocabulary, gemm_copies_a(false, false, space.logits_ld),
                                  bf16, threads)});
  };
  const int64_t last = tokens - (divided(tokens, chunk_rows) - 1) * chunk_rows;
  space.product_bytes = std::max(products(chunk_rows), products(last));
  return space;
}
RecurrentSpace recurrent_space(int64_t hidden, int64_t gates, int64_t max_batch, bool backward) {
  RecurrentSpace s;
  s.packed = divided(hidden, kPanelColumns) * kPanelColumns * gates * hidden;
  // An odd number of cache lines: rows that lie a power of two apart would share cache sets.
  s.state_ld = (divided(backward ? gates * hidden : hidden, 16) | 1) * 16;
  s.state = max_batch * s.state_ld;
  if (backward) s.carry = divided(max_batch * hidden, 16) * 16;
  return s;
}
RecurrentWeightGradSpace recurrent_weight_grad_space(int64_t tokens, int64_t gate_columns,
                                                     int64_t tail_columns, int64_t hidden, DType dtype,
                                                     int threads) {
  // How many rows take part depends on the data: count the widest cut along them.
  const int64_t k = std::min(tokens, kLargestKBlock);
  const auto product = [&](int64_t m) {
    return m > 0 ? gemm_workspace({m, hidden, k, dtype, true}, threads) : 0;
  };
  return {rounded(tokens * 4), std::max(product(gate_columns - tail_columns), product(tail_columns))};
}
int64_t NadeSpace::bytes(int threads) const {
  return weight_bytes + std::min<int64_t>(threads, tasks) * thread_bytes;
}
NadeSpace nade_space(int64_t rows, int64_t pixels, int64_t hidden) {
  return {rounded(4 * pixels * hidden), rounded(4 * 2 * kNadeRows * hidden), divided(rows, kNadeRows)};
}
int64_t NadeGradSpace::bytes(int threads) const {
  return 2 * pixel_bytes + std::min<int64_t>(threads, tasks) * thread_bytes;
}
NadeGradSpace nade_grad_space(int64_t rows, int64_t pixels, int64_t hidden) {
  return {rounded(4 * rows * pixels), rounded(4 * kNadeUnits * 3 * rows), divided(hidden, kNadeUnits)};
}
int64_t grad_norm_blocks(int64_t elements) {
  return divided(elements, kGradNormBlock);
}
int64_t grad_norm_workspace(int64_t blocks) {
  return rounded(blocks * 8);
}

}  // namespace tidemark::cpu
