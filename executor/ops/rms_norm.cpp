#include "executor/ops/rms_norm.h"

#include "executor/ops/all.h"
#include "executor/ops/column_sum.h"
#include "executor/ops/operands.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {

void rms_norm_cpu(const KernelArgs& args) {
  const TensorType& x = args.op.in(0);
  RmsNorm norm;
  norm.bf16 = is_bf16(x);
  norm.columns = columns_of(x);
  norm.epsilon = static_cast<float>(args.op.attributes().number("epsilon"));
  norm.x = args.inputs[0];
  norm.weight = args.inputs[1];
  norm.y = args.outputs[0];
  norm.rstd = args.out<float>(1);
  const auto rows = TIDEMARK_SIMD(rms_norm_rows);
  parallel_rows(args.pool, rows_of(x), norm.columns,
                [&](int64_t begin, int64_t end) { rows(norm, begin, end); });
}

void rms_norm_grad_cpu(const KernelArgs& args) {
  const TensorType& x = args.op.in(1);
  RmsNormGrad grad;
  grad.bf16 = is_bf16(x);
  grad.columns = columns_of(x);
  grad.dy = args.inputs[0];
  grad.x = args.inputs[1];
  grad.weight = args.inputs[2];
  grad.rstd = args.in<float>(3);
  grad.residual_grad = args.op.has_in(4) ? args.inputs[4] : nullptr;
  grad.dx = args.outputs[0];
  auto* const parts = static_cast<float*>(args.workspace);
  const auto rows = TIDEMARK_SIMD(rms_norm_grad_rows);
  parallel_ranges(args.pool, rows_of(x), cpu::kRmsNormGradRows, [&](int64_t begin, int64_t end) {
    rows(grad, begin, end, parts + begin / cpu::kRmsNormGradRows * grad.columns);
  });

  ColumnSum sum;
  sum.rows = (rows_of(x) + cpu::kRmsNormGradRows - 1) / cpu::kRmsNormGradRows;
  sum.x = parts;
  sum.ld = grad.columns;
  sum.y = args.outputs[1];
  sum.y_bf16 = grad.bf16;
  column_sum(sum, grad.columns, args.pool);
}

}  // namespace tidemark::ops
