#include "executor/ops/batch_norm.h"

#include "executor/ops/all.h"
#include "executor/ops/operands.h"

namespace tidemark::ops {
namespace {

/// A whole number of cache lines of neighbouring columns a task.
constexpr int64_t kStrip = 32;

}  // namespace

void batch_norm_cpu(const KernelArgs& args) {
  const TensorType& x = args.op.in(0);
  BatchNorm norm;
  norm.bf16 = is_bf16(x);
  norm.rows = rows_of(x);
  norm.columns = columns_of(x);
  norm.epsilon = static_cast<float>(args.op.attributes().number("epsilon"));
  norm.x = args.inputs[0];
  norm.weight = args.inputs[1];
  norm.bias = args.inputs[2];
  norm.y = args.outputs[0];
  norm.mean = args.out<float>(1);
  norm.rstd = args.out<float>(2);
  const auto columns = TIDEMARK_SIMD(batch_norm_columns);
  parallel_ranges(args.pool, norm.columns, kStrip,
                  [&](int64_t begin, int64_t end) { columns(norm, begin, end); });
}

void batch_norm_grad_cpu(const KernelArgs& args) {
  const TensorType& x = args.op.in(1);
  BatchNormGrad grad;
  grad.bf16 = is_bf16(x);
  grad.rows = rows_of(x);
  grad.columns = columns_of(x);
  grad.dy = args.inputs[0];
  grad.x = args.inputs[1];
  grad.weight = args.inputs[2];
  grad.mean = args.in<float>(3);
  grad.rstd = args.in<float>(4);
  grad.dx = args.outputs[0];
  grad.dweight = args.outputs[1];
  grad.dbias = args.outputs[2];
  const auto columns = TIDEMARK_SIMD(batch_norm_grad_columns);
  parallel_ranges(args.pool, grad.columns, kStrip,
                  [&](int64_t begin, int64_t end) { columns(grad, begin, end); });
}

}  // namespace tidemark::ops
