#include "executor/ops/rms_norm.h"

#include "executor/ops/all.h"
#include "executor/ops/column_sum.h"
#include "executor/ops/operands.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {
namespace {

int64_t groups_of(const KernelArgs& args) {
  const Attributes& attributes = args.op.attributes();
  return attributes.has("groups") ? attributes.integer("groups") : 1;
}

void run(const KernelArgs& args, RmsNorm norm, const void* weight) {
  const TensorType& x = args.op.in(0);
  norm.bf16 = is_bf16(x);
  norm.columns = columns_of(x);
  norm.epsilon = static_cast<float>(args.op.attributes().number("epsilon"));
  norm.x = args.inputs[0];
  norm.weight = weight;
  norm.y = args.outputs[0];
  norm.rstd = args.out<float>(1);
  const auto rows = TIDEMARK_SIMD(rms_norm_rows);
  parallel_rows(args.pool, rows_of(x), norm.columns,
                [&](int64_t begin, int64_t end) { rows(norm, begin, end); });
}

/// Blocks of rows, then the sum of their parts of the weight's gradient.
void run(const KernelArgs& args, RmsNormGrad grad, void* dweight) {
  const TensorType& x = args.op.in(1);
  grad.bf16 = is_bf16(x);
  grad.columns = columns_of(x);
  grad.dy = args.inputs[0];
  grad.x = args.inputs[1];
  grad.dx = args.outputs[0];
  auto* const parts = static_cast<float*>(args.workspace);
  const auto rows = TIDEMARK_SIMD(rms_norm_grad_rows);
  parallel_ranges(args.pool, rows_of(x), cpu::kNormGradRows, [&](int64_t begin, int64_t end) {
    rows(grad, begin, end, parts + begin / cpu::kNormGradRows * grad.columns);
  });
  if (!dweight) return;

  ColumnSum sum;
  sum.rows = (rows_of(x) + cpu::kNormGradRows - 1) / cpu::kNormGradRows;
  sum.x = parts;
  sum.ld = grad.columns;
  sum.y = dweight;
  sum.y_bf16 = grad.bf16;
  column_sum(sum, grad.columns, args.pool);
}

}  // namespace

void rms_norm_cpu(const KernelArgs& args) {
  RmsNorm norm;
  norm.groups = groups_of(args);
  run(args, norm, args.op.has_in(1) ? args.inputs[1] : nullptr);
}

void rms_norm_grad_cpu(const KernelArgs& args) {
  RmsNormGrad grad;
  grad.groups = groups_of(args);
  grad.weight = args.op.has_in(2) ? args.inputs[2] : nullptr;
  grad.rstd = args.in<float>(3);
  grad.residual_grad = args.op.has_in(4) ? args.inputs[4] : nullptr;
  run(args, grad, args.op.has_out(1) ? args.outputs[1] : nullptr);
}

void gated_rms_norm_cpu(const KernelArgs& args) {
  RmsNorm norm;
  norm.gate = first_column(args, args.inputs[1], args.op.in(1).dtype);
  norm.gate_stride = columns_of(args.op.in(1));
  norm.groups = groups_of(args);
  run(args, norm, args.inputs[2]);
}

void gated_rms_norm_grad_cpu(const KernelArgs& args) {
  if (!args.op.has_in(5)) clear(args, 1);
  const DType dtype = args.op.in(2).dtype;
  RmsNormGrad grad;
  grad.gate = first_column(args, args.inputs[2], dtype);
  grad.gate_stride = columns_of(args.op.in(2));
  grad.groups = groups_of(args);
  grad.weight = args.inputs[3];
  grad.rstd = args.in<float>(4);
  grad.dgate = first_column(args, args.outputs[1], dtype);
  run(args, grad, args.outputs[2]);
}

}  // namespace tidemark::ops
