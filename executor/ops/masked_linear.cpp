#include "executor/ops/all.h"
#include "executor/ops/product.h"

namespace tidemark::ops {
namespace {

cpu::DegreeMask mask(const KernelArgs& args) {
  return {args.in<int32_t>(2), args.in<int32_t>(3), args.op.attributes().flag("strict")};
}

}  // namespace

void masked_linear_cpu(const KernelArgs& args) {
  cpu::Gemm g = product(args);
  g.k = g.lda;
  g.b_transposed = true;
  g.b_mask = mask(args);
  if (args.op.has_in(4)) g.bias = args.inputs[4];
  if (args.op.has_in(5)) g.start = args.inputs[5];
  cpu::gemm(g, args.workspace, args.pool);
}

void masked_linear_grad_input_cpu(const KernelArgs& args) {
  cpu::Gemm g = product(args);
  g.k = g.lda;
  g.b_mask = mask(args);
  if (args.op.has_in(4)) g.start = args.inputs[4];
  cpu::gemm(g, args.workspace, args.pool);
}

void masked_linear_grad_weight_cpu(const KernelArgs& args) {
  cpu::Gemm g = product(args);
  g.k = rows_of(args.op.in(0));
  g.a_transposed = true;
  g.c_mask = mask(args);
  if (args.op.has_in(4)) g.start = args.inputs[4];
  cpu::gemm(g, args.workspace, args.pool);
}

}  // namespace tidemark::ops
