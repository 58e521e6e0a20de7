#include "executor/ops/skip_gelu.h"

#include "executor/ops/all.h"
#include "executor/ops/column_sum.h"
#include "executor/ops/operands.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {
namespace {

/// x, u, D are inputs `first` and the following.
SkipGelu skip_of(const KernelArgs& args, int first) {
  const TensorType& x = args.op.in(first);
  SkipGelu s;
  s.bf16 = is_bf16(x);
  s.tanh = args.op.attributes().flag("tanh");
  s.columns = columns_of(x);
  s.x = args.inputs[static_cast<size_t>(first)];
  s.u = args.inputs[static_cast<size_t>(first + 1)];
  s.d = args.in<float>(first + 2);
  return s;
}

}  // namespace

void skip_gelu_cpu(const KernelArgs& args) {
  const SkipGelu s = skip_of(args, 0);
  const auto rows = TIDEMARK_SIMD(skip_gelu_rows);
  parallel_rows(args.pool, rows_of(args.op.in(0)), s.columns,
                [&](int64_t begin, int64_t end) { rows(s, args.outputs[0], begin, end); });
}

void skip_gelu_grad_cpu(const KernelArgs& args) {
  SkipGelu s = skip_of(args, 1);
  s.dy = args.inputs[0];
  auto* const parts = static_cast<float*>(args.workspace);
  const auto rows = TIDEMARK_SIMD(skip_gelu_grad_rows);
  const int64_t n = rows_of(args.op.in(1));
  parallel_ranges(args.pool, n, cpu::kNormGradRows, [&](int64_t begin, int64_t end) {
    rows(s, args.outputs[0], args.outputs[1], parts + begin / cpu::kNormGradRows * s.columns, begin, end);
  });
  ColumnSum sum;
  sum.rows = (n + cpu::kNormGradRows - 1) / cpu::kNormGradRows;
  sum.x = parts;
  sum.ld = s.columns;
  sum.y = args.outputs[2];
  column_sum(sum, s.columns, args.pool);
}

}  // namespace tidemark::ops
