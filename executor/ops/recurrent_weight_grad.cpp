#include <cstring>

#include "executor/cpu/gemm.h"
#include "executor/cpu/thread_pool.h"
#include "executor/ops/all.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {
namespace {

/// The rows that are not of the first time, in order, each with the row of the same sequence one time
/// before: earlier[i] belongs to later row `first` + i. Returns how many there are.
int64_t link_times(const int32_t* sizes, int64_t times, int32_t* earlier) {
  int64_t n = 0;
  for (int64_t t = 1, row = 0; t < times; row += sizes[t - 1], ++t)
    for (int32_t i = 0; i < sizes[t]; ++i) earlier[n++] = static_cast<int32_t>(row + i);
  return n;
}

}  // namespace

// One product over all rows at once (per operand: `tail` is one of its own).
void recurrent_weight_grad_cpu(const KernelArgs& args) {
  const OpView& op = args.op;
  const auto* sizes = args.in<int32_t>(2);
  const bool bf16 = op.in(0).dtype == DType::bf16, has_tail = op.has_in(3);
  const int64_t item = size_of(op.in(0).dtype), hidden = op.in(1).shape[1], columns = op.in(0).shape[1];
  const int64_t tail_columns = has_tail ? op.in(3).shape[1] : 0;
  auto* const earlier = static_cast<int32_t*>(args.workspace);
  const int64_t rows = link_times(sizes, op.in(2).shape[0], earlier);
  const int64_t first = op.in(2).shape[0] > 0 ? sizes[0] : 0;

  const cpu::RecurrentWeightGradSpace space = cpu::recurrent_weight_grad_space(
      op.in(0).shape[0], columns, tail_columns, hidden, op.in(0).dtype, args.pool->threads());
  const bool accumulates = op.has_in(4);
  if (rows == 0) {
    if (!accumulates) std::memset(args.outputs[0], 0, static_cast<size_t>(op.out(0).bytes()));
    return;
  }

  cpu::Gemm g;
  g.n = hidden;
  g.k = rows;
  g.a_transposed = true;
  g.ldb = g.ldc = g.ld_start = hidden;
  g.a_bf16 = g.b_bf16 = g.c_bf16 = bf16;
  const bool reverse = op.attributes().flag("reverse");
  const auto row = [item](const void* matrix, int64_t r, int64_t ld) {
    return static_cast<const std::byte*>(matrix) + r * ld * item;
  };
  // h of the time before, or running in reverse of the time after, made these gates.
  g.b = reverse ? row(args.inputs[1], first, hidden) : args.inputs[1];
  (reverse ? g.a_rows : g.b_rows) = earlier;
  const auto multiply = [&](const void* gates, int64_t ld, int64_t begin, int64_t end) {
    g.m = end - begin;
    if (g.m == 0) return;
    g.a = reverse ? gates : row(gates, first, ld);
    g.lda = ld;
    g.c = args.out<std::byte>(0) + begin * hidden * item;
    g.start = accumulates ? g.c : nullptr;
    cpu::gemm(g, static_cast<std::byte*>(args.workspace) + space.row_map_bytes, args.pool);
  };
  multiply(args.inputs[0], columns, 0, columns - tail_columns);
  if (has_tail) multiply(args.inputs[3], tail_columns, columns - tail_columns, columns);
}

}  // namespace tidemark::ops
