#include "executor/ops/causal_conv1d.h"

#include "executor/ops/all.h"
#include "executor/ops/operands.h"

namespace tidemark::ops {
namespace {

/// x, weight, bias, cu_seqlens are inputs `first` and the following.
CausalConv conv_of(const KernelArgs& args, int first) {
  const TensorType& x = args.op.in(first);
  const TensorType& weight = args.op.in(first + 1);
  CausalConv c;
  c.bf16 = is_bf16(x);
  c.rows = rows_of(x);
  c.channels = weight.shape[0];
  c.width = weight.shape[2];
  c.x = first_column(args, args.inputs[static_cast<size_t>(first)], x.dtype);
  c.x_stride = columns_of(x);
  c.weight = args.inputs[static_cast<size_t>(first + 1)];
  c.bias = args.op.has_in(first + 2) ? args.inputs[static_cast<size_t>(first + 2)] : nullptr;
  c.sequences = sequences_of(args, first + 3);
  return c;
}

}  // namespace

void causal_conv1d_cpu(const KernelArgs& args) {
  const CausalConv conv = conv_of(args, 0);
  const auto rows = TIDEMARK_SIMD(causal_conv_rows);
  parallel_ranges(args.pool, conv.rows, kConvRows,
                  [&](int64_t row, int64_t) { rows(conv, args.outputs[0], row); });
}

void causal_conv1d_grad_cpu(const KernelArgs& args) {
  CausalConvGrad grad;
  grad.conv = conv_of(args, 1);
  if (!args.op.has_in(5)) clear(args, 0);
  grad.dy = args.inputs[0];
  grad.dx = first_column(args, args.outputs[0], args.op.in(1).dtype);
  grad.dweight = args.outputs[1];
  grad.dbias = grad.conv.bias ? args.outputs[2] : nullptr;
  const auto strip = TIDEMARK_SIMD(causal_conv_grad_strip);
  args.pool->parallel_for((grad.conv.channels + kConvChannels - 1) / kConvChannels,
                          [&](int64_t i, int) { strip(grad, i); });
}

}  // namespace tidemark::ops
