#include "executor/ops/layer_norm.h"

#include "executor/ops/all.h"
#include "executor/ops/column_sum.h"
#include "executor/ops/operands.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {

void layer_norm_cpu(const KernelArgs& args) {
  const TensorType& x = args.op.in(0);
  LayerNorm norm;
  norm.bf16 = is_bf16(x);
  norm.columns = columns_of(x);
  norm.groups = args.op.attributes().integer("groups");
  norm.epsilon = static_cast<float>(args.op.attributes().number("epsilon"));
  norm.x = args.inputs[0];
  norm.weight = args.inputs[1];
  norm.bias = args.op.has_in(2) ? args.inputs[2] : nullptr;
  norm.y = args.outputs[0];
  norm.mean = args.out<float>(1);
  norm.rstd = args.out<float>(2);
  const auto rows = TIDEMARK_SIMD(layer_norm_rows);
  parallel_rows(args.pool, rows_of(x), norm.columns,
                [&](int64_t begin, int64_t end) { rows(norm, begin, end); });
}

// Blocks of rows, then the sums of their parts of the gradients of weight and bias.
void layer_norm_grad_cpu(const KernelArgs& args) {
  const TensorType& x = args.op.in(1);
  LayerNormGrad grad;
  grad.bf16 = is_bf16(x);
  grad.columns = columns_of(x);
  grad.groups = args.op.attributes().integer("groups");
  grad.dy = args.inputs[0];
  grad.x = args.inputs[1];
  grad.weight = args.inputs[2];
  grad.mean = args.in<float>(4);
  grad.rstd = args.in<float>(5);
  grad.residual_grad = args.op.has_in(6) ? args.inputs[6] : nullptr;
  grad.dx = args.outputs[0];
  auto* const parts = static_cast<float*>(args.workspace);
  const auto rows = TIDEMARK_SIMD(layer_norm_grad_rows);
  parallel_ranges(args.pool, rows_of(x), cpu::kNormGradRows, [&](int64_t begin, int64_t end) {
    rows(grad, begin, end, parts + begin / cpu::kNormGradRows * 2 * grad.columns);
  });

  ColumnSum sum;
  sum.rows = (rows_of(x) + cpu::kNormGradRows - 1) / cpu::kNormGradRows;
  sum.ld = 2 * grad.columns;
  sum.y_bf16 = grad.bf16;
  for (int i = 0; i < 2; ++i) {
    if (!args.op.has_out(1 + i)) continue;
    sum.x = parts + i * grad.columns;
    sum.y = args.outputs[static_cast<size_t>(1 + i)];
    column_sum(sum, grad.columns, args.pool);
  }
}

}  // namespace tidemark::ops
