#include "executor/cpu/gemm.h"
#include "executor/ops/all.h"
#include "executor/ops/column_sum.h"
#include "executor/ops/operands.h"

namespace tidemark::ops {
namespace {

/// The product whose result is output 0 and whose operands are inputs 0 and 1, all row-major.
cpu::Gemm product(const KernelArgs& args) {
  const TensorType& a = args.op.in(0);
  const TensorType& b = args.op.in(1);
  const TensorType& c = args.op.out(0);
  cpu::Gemm g;
  g.m = rows_of(c);
  g.n = columns_of(c);
  g.a = args.inputs[0];
  g.lda = columns_of(a);
  g.b = args.inputs[1];
  g.ldb = columns_of(b);
  g.c = args.outputs[0];
  g.ldc = g.ld_start = columns_of(c);
  g.a_bf16 = g.b_bf16 = g.c_bf16 = g.bias_bf16 = is_bf16(c);
  return g;
}

}  // namespace

void linear_cpu(const KernelArgs& args) {
  cpu::Gemm g = product(args);
  g.k = g.lda;
  g.b_transposed = true;
  if (args.op.has_in(2)) g.bias = args.inputs[2];
  if (args.op.has_in(3)) g.start = args.inputs[3];
  cpu::gemm(g, args.workspace, args.pool);
}

void linear_grad_input_cpu(const KernelArgs& args) {
  cpu::Gemm g = product(args);
  g.k = g.lda;
  if (args.op.has_in(2)) g.start = args.inputs[2];
  cpu::gemm(g, args.workspace, args.pool);
}

void linear_grad_weight_cpu(const KernelArgs& args) {
  cpu::Gemm g = product(args);
  g.k = rows_of(args.op.in(0));
  g.a_transposed = true;
  if (args.op.has_in(2)) g.start = args.inputs[2];
  cpu::gemm(g, args.workspace, args.pool);
}

void column_sum_cpu(const KernelArgs& args) {
  const TensorType& dy = args.op.in(0);
  const int64_t tail = args.op.has_in(1) ? columns_of(args.op.in(1)) : 0;
  const int64_t body = columns_of(dy) - tail;
  ColumnSum sum;
  sum.rows = rows_of(dy);
  sum.x = args.inputs[0];
  sum.ld = columns_of(dy);
  sum.start = args.op.has_in(2) ? args.inputs[2] : nullptr;
  sum.y = args.outputs[0];
  sum.x_bf16 = sum.y_bf16 = is_bf16(dy);
  column_sum(sum, body, args.pool);
  if (tail == 0) return;
  const auto past_body = [&](const void* p) {
    return static_cast<const char*>(p) + body * size_of(dy.dtype);
  };
  sum.x = args.inputs[1];
  sum.ld = tail;
  if (sum.start) sum.start = past_body(sum.start);
  sum.y = static_cast<char*>(sum.y) + body * size_of(dy.dtype);
  column_sum(sum, tail, args.pool);
}

}  // namespace tidemark::ops
