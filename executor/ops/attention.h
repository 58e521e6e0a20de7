// What the attention kernels and their vector code share.
//
// Scores are held transposed: a row is a key, a lane a query. A query's maximum and sum then need no
// step across lanes, keys and values are used as they lie, and a query's bits depend neither on the
// queries beside it nor on where in the pack its sequence stands.
#pragma once

#include <cstdint>

#include "executor/cpu/bf16.h"
#include "executor/cpu/isa.h"

namespace tidemark::ops {

/// q: [queries, heads * dim]; k: [keys, kv_heads * dim]; v: [keys, kv_heads * value_dim]; o: [queries,
/// heads * value_dim]; lse: [heads, queries].
struct Attention {
  int64_t queries = 0, keys = 0, heads = 0, kv_heads = 0, dim = 0, value_dim = 0;
  float scale = 1;
  bool causal = false, bf16 = false;
  const void *q = nullptr, *k = nullptr, *v = nullptr;
  void* o = nullptr;
  float* lse = nullptr;

  int64_t q_columns() const { return heads * dim; }
  int64_t o_columns() const { return heads * value_dim; }
  int64_t k_columns() const { return kv_heads * dim; }
  int64_t v_columns() const { return kv_heads * value_dim; }
  int64_t kv_head(int64_t head) const { return head * kv_heads / heads; }
};

struct AttentionGrad {
  Attention forward;
  const void* d_o = nullptr;
  void* dq = nullptr;
  float *dk = nullptr, *dv = nullptr;  ///< sums, to which the queries of a sequence add in order
};

/// Tokens [begin, end).
struct Rows {
  int64_t begin = 0, end = 0;
};

/// At most kAttentionBlock queries of one sequence and one head, and the keys of that sequence.
struct QueryBlock {
  int64_t head = 0;
  Rows sequence_keys, queries;
  /// Keys that any of the queries may see.
  Rows keys(bool causal) const { return {sequence_keys.begin, causal ? queries.end : sequence_keys.end}; }
};

TIDEMARK_SIMD_DECLARE(
    /// o and lse. Scratch here and below: attention_workspace, attention_grad_workspace of one thread.
    void attend(const Attention& a, const QueryBlock& block, float* scratch);
    /// The gradient in three steps that share scratch: begin; add for each tile of at most
    /// kAttentionBlock keys, in order; end writes dq.
    void attention_grad_begin(const AttentionGrad& a, const QueryBlock& block, float* scratch);
    void attention_grad_add(const AttentionGrad& a, const QueryBlock& block, Rows keys, float* scratch);
    void attention_grad_end(const AttentionGrad& a, const QueryBlock& block, float* scratch);
    void round_to_bf16(const float* in, Bf16* out, int64_t n);)

}  // namespace tidemark::ops
