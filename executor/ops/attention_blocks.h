// Blocks of queries: the tasks of the attention kernels.
#pragma once

#include <algorithm>

#include "executor/kernel.h"
#include "executor/ops/attention.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {

/// Shapes and attributes; `q` is the index of that operand.
inline Attention attention_of(const KernelArgs& args, int q) {
  Attention a;
  a.tokens = args.op.in(q).shape[0];
  a.heads = args.op.attributes().integer("heads");
  a.kv_heads = args.op.attributes().integer("kv_heads");
  a.dim = args.op.in(q).shape[1] / a.heads;
  a.scale = static_cast<float>(args.op.attributes().number("scale"));
  a.causal = args.op.attributes().flag("causal");
  a.bf16 = args.op.in(q).dtype == DType::bf16;
  const auto first = static_cast<size_t>(q);
  a.q = args.inputs[first];
  a.k = args.inputs[first + 1];
  a.v = args.inputs[first + 2];
  return a;
}

inline int64_t query_blocks(int64_t tokens) {
  return (tokens + cpu::kAttentionBlock - 1) / cpu::kAttentionBlock;
}

/// fn(QueryBlock) for each sequence that has queries in block `index` of the tokens, in order. Blocks lie
/// on a grid over all tokens: their number is known without looking at the sequences.
template <typename F>
void each_sequence(const Attention& a, const int32_t* cu_seqlens, int64_t boundaries, int64_t head,
                   int64_t index, F&& fn) {
  int64_t first = index * cpu::kAttentionBlock;
  const int64_t end = std::min(first + cpu::kAttentionBlock, a.tokens);
  const int32_t* next = std::upper_bound(cu_seqlens, cu_seqlens + boundaries, first);
  while (first < end) {
    const Rows sequence{next[-1], *next};
    const int64_t last = std::min(end, sequence.end);
    if (last > first) fn(QueryBlock{head, sequence, {first, last}});
    first = last;
    ++next;
  }
}

}  // namespace tidemark::ops
