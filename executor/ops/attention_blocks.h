// Blocks of queries: the tasks of the attention kernels.
#pragma once

#include <algorithm>

#include "executor/kernel.h"
#include "executor/ops/attention.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {

/// Where the sequences begin among the queries and among the keys: the same, but for cross-attention.
struct Boundaries {
  const int32_t *queries = nullptr, *keys = nullptr;
  int64_t entries = 0;
};

inline Boundaries boundaries_of(const KernelArgs& args, int cu_seqlens) {
  const auto* queries = args.in<int32_t>(cu_seqlens);
  const bool cross = args.op.has_in(cu_seqlens + 1);
  return {queries, cross ? args.in<int32_t>(cu_seqlens + 1) : queries, args.op.in(cu_seqlens).shape[0]};
}

/// Shapes and attributes; `q` is the index of that operand.
inline Attention attention_of(const KernelArgs& args, int q) {
  Attention a;
  a.queries = args.op.in(q).shape[0];
  a.keys = args.op.in(q + 1).shape[0];
  a.heads = args.op.attributes().integer("heads");
  a.kv_heads = args.op.attributes().integer("kv_heads");
  a.dim = args.op.in(q).shape[1] / a.heads;
  a.value_dim = args.op.in(q + 2).shape[1] / a.kv_heads;
  a.scale = static_cast<float>(args.op.attributes().number("scale"));
  a.causal = args.op.attributes().flag("causal");
  a.bf16 = args.op.in(q).dtype == DType::bf16;
  const auto first = static_cast<size_t>(q);
  a.q = args.inputs[first];
  a.k = args.inputs[first + 1];
  a.v = args.inputs[first + 2];
  return a;
}

inline int64_t query_blocks(int64_t queries) {
  return (queries + cpu::kAttentionBlock - 1) / cpu::kAttentionBlock;
}

/// fn(QueryBlock) for each sequence that has queries in block `index` of them, in order. Blocks lie
/// on a grid over all queries: their number is known without looking at the sequences.
template <typename F>
void each_sequence(const Attention& a, const Boundaries& boundaries, int64_t head, int64_t index, F&& fn) {
  int64_t first = index * cpu::kAttentionBlock;
  const int64_t end = std::min(first + cpu::kAttentionBlock, a.queries);
  const int32_t* const cu = boundaries.queries;
  int64_t next = std::upper_bound(cu, cu + boundaries.entries, first) - cu;
  for (; first < end; ++next) {
    const int64_t last = std::min<int64_t>(end, cu[next]);
    const Rows keys{boundaries.keys[next - 1], boundaries.keys[next]};
    if (last > first) fn(QueryBlock{head, keys, {first, last}});
    first = last;
  }
}

}  // namespace tidemark::ops
