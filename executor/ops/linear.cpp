#include "executor/ops/all.h"
#include "executor/ops/column_sum.h"
#include "executor/ops/product.h"
#include "executor/ops/weight_rows.h"

namespace tidemark::ops {

void linear_cpu(const KernelArgs& args) {
  cpu::Gemm g = product(args);
  g.k = g.lda;
  g.b_transposed = true;
  g.a_bf16 = g.b_bf16 = g.bias_bf16 = is_bf16(args.op.in(0));
  g.b = first_row(args, args.inputs[1], args.op.in(1));
  if (args.op.has_in(2)) g.bias = first_row(args, args.inputs[2], args.op.in(2));
  if (args.op.has_in(3)) g.start = args.inputs[3];
  cpu::gemm(g, args.workspace, args.pool);
}

void linear_grad_input_cpu(const KernelArgs& args) {
  cpu::Gemm g = product(args);
  g.k = g.lda;
  g.b = first_row(args, args.inputs[1], args.op.in(1));
  if (args.op.has_in(2)) g.start = args.inputs[2];
  cpu::gemm(g, args.workspace, args.pool);
}

void linear_grad_weight_cpu(const KernelArgs& args) {
  cpu::Gemm g = product(args);
  const RowSums sums = row_sums(args);
  if (sums.clears) clear(args, 0);
  g.m = columns_of(args.op.in(0));
  g.k = rows_of(args.op.in(0));
  g.a_transposed = true;
  g.start = sums.start;
  g.c = sums.y;
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
  const RowSums own = row_sums(args);
  if (own.clears) clear(args, 0);
  sum.start = own.start;
  sum.y = own.y;
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
