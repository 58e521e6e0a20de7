// Scratch bytes of the CPU kernels, as functions of shapes and threads alone.
//
// The op registry asks here so that a plan accounts for every byte; the kernels in executor/ops use
// exactly these amounts and nothing else. All results are multiples of 64.
#pragma once

#include <cstdint>

#include "graph/types.h"

namespace tidemark::cpu {

/// C[m,n] = op(A) op(B) over k. `a_transposed`: A is stored [k,m].
struct GemmShape {
  int64_t m = 0, n = 0, k = 0;
  DType dtype = DType::f32;
  bool a_transposed = false;
  bool c_masked = false;
};
int64_t gemm_workspace(const GemmShape& shape, int threads);
/// The same for any operands (gemm_tiles): enough for `threads` or fewer.
int64_t gemm_scratch(int64_t m, int64_t n, int64_t k, bool copy_a, bool copy_c, int threads);

/// How a product is cut: `rows` x `columns` tiles, each the task of one thread with `thread_bytes` of
/// scratch. Along k it is cut every `k_block`, by k alone, so that sums do not depend on the threads.
struct GemmTiles {
  int64_t rows = 0, columns = 0;
  int64_t panels = 0;  ///< of kPanelColumns columns of C, divided among `columns`
  int64_t k_block = 0;
  int64_t thread_bytes = 0;
};
inline constexpr int64_t kPanelColumns = 32;
/// `copy_c`: a tile of C is made in scratch, to be masked or rounded to bf16.
GemmTiles gemm_tiles(int64_t m, int64_t n, int64_t k, bool copy_a, bool copy_c, int threads);

/// Whether a tile's rows of A are copied first: to convert or turn them, or because rows that lie a
/// multiple of 4 KiB apart would share cache sets.
bool gemm_copies_a(bool a_bf16, bool a_transposed, int64_t lda);

/// Rows and columns of a task of grouped_linear. Of a task's thread, the tile's operands and its product.
inline constexpr int64_t kGroupedRows = 128, kGroupedColumns = 256;
/// The token of every slot, then f32 sums of the tokens where they are stored as bf16, then the threads'.
struct GroupedSpace {
  int64_t tokens_bytes = 0, sums_bytes = 0, thread_bytes = 0;

  int64_t bytes(int threads) const { return tokens_bytes + sums_bytes + threads * thread_bytes; }
};
/// `columns` of the product, over k; `sums`: over each token's slots.
GroupedSpace grouped_space(int64_t slots, int64_t tokens, int64_t columns, int64_t k, DType dtype, bool sums);
/// Along a sum over k: by k alone.
int64_t grouped_k_block(int64_t k);

/// Of each thread, what a token's experts are chosen by.
int64_t moe_route_workspace(int64_t experts, int threads);

/// The tokens sorted by id.
int64_t embedding_grad_workspace(int64_t tokens);

/// What every so many rows add to the `sums` numbers that the gradients of a norm's parameters are.
inline constexpr int64_t kNormGradRows = 32;
int64_t norm_grad_workspace(int64_t tokens, int64_t sums);

/// Queries of a task of attention, and keys of a tile.
inline constexpr int64_t kAttentionBlock = 64;
/// `dim`: of a head's queries and keys; `value_dim`: of its values.
int64_t attention_workspace(int64_t dim, int64_t value_dim, int threads);
struct AttentionGradSpace {
  int64_t thread_bytes = 0;
  int64_t progress_bytes = 0;          ///< an i32 per query block and head: how far along the keys it is
  int64_t dk_bytes = 0, dv_bytes = 0;  ///< sums, where they are not stored as f32

  int64_t total(int threads) const { return threads * thread_bytes + progress_bytes + dk_bytes + dv_bytes; }
};
AttentionGradSpace attention_grad_space(int64_t queries, int64_t keys, int64_t heads, int64_t kv_heads,
                                        int64_t dim, int64_t value_dim, DType dtype);

/// Rows of logits made at once.
int64_t cross_entropy_chunk_rows(int64_t tokens, int64_t vocabulary);
/// One after the other: a chunk's logits (rows of logits_ld floats), a loss per token, the products' scratch.
struct CrossEntropySpace {
  int64_t logits_ld = 0;
  int64_t logits_bytes = 0, losses_bytes = 0, product_bytes = 0;

  int64_t bytes() const { return logits_bytes + losses_bytes + product_bytes; }
};
CrossEntropySpace cross_entropy_space(int64_t tokens, int64_t hidden, int64_t vocabulary, int64_t chunk_rows,
                                      DType dtype, bool with_gradient, int threads);

/// Floats, one after the other: the packed weight, two states (h, or going back the gates' gradients, of
/// every sequence), and going back what a cell hands to the time before. `gates`: 1 (RNN), 3 (GRU), 4 (LSTM).
struct RecurrentSpace {
  int64_t packed = 0;
  int64_t state = 0, state_ld = 0;
  int64_t carry = 0;

  int64_t bytes() const { return 4 * (packed + 2 * state + carry); }
};
RecurrentSpace recurrent_space(int64_t hidden, int64_t gates, int64_t max_batch, bool backward);
/// A row map, then the scratch of a product, or of one and of another for the last `tail_columns`.
struct RecurrentWeightGradSpace {
  int64_t row_map_bytes = 0, product_bytes = 0;

  int64_t bytes() const { return row_map_bytes + product_bytes; }
};
RecurrentWeightGradSpace recurrent_weight_grad_space(int64_t tokens, int64_t gate_columns,
                                                     int64_t tail_columns, int64_t hidden, DType dtype,
                                                     int threads);

/// Rows that a task of NADE's scan takes over the pixels together, and hidden units of a task of its
/// gradient.
inline constexpr int64_t kNadeRows = 8;
inline constexpr int64_t kNadeUnits = 16;
/// The input weight transposed, in the order of the pixels; then for each thread the running sums and
/// activations of its rows.
struct NadeSpace {
  int64_t weight_bytes = 0, thread_bytes = 0;
  int64_t tasks = 0;

  int64_t bytes(int threads) const;
};
NadeSpace nade_space(int64_t rows, int64_t pixels, int64_t hidden);
/// x and dlogits transposed, in the order of the pixels; then for each thread the running sums, activations
/// and gradients of all rows, for its units.
struct NadeGradSpace {
  int64_t pixel_bytes = 0, thread_bytes = 0;
  int64_t tasks = 0;

  int64_t bytes(int threads) const;
};
NadeGradSpace nade_grad_space(int64_t rows, int64_t pixels, int64_t hidden);

/// Blocks of a tensor whose squares are summed apart, and the sums of all blocks.
inline constexpr int64_t kGradNormBlock = 1 << 14;
int64_t grad_norm_blocks(int64_t elements);
int64_t grad_norm_workspace(int64_t blocks);

}  // namespace tidemark::cpu
