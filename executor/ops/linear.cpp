#include "executor/ops/all.h"
#include "executor/ops/column_sum.h"
#include "executor/ops/product.h"

namespace tidemark::ops {

namespace {

/// A weight, bias or gradient of one from the row on that the op uses (its attribute first_row).
template <typename T>
T* first_row(const KernelArgs& args, T* operand, const TensorType& type) {
  if (!args.op.attributes().has("first_row")) return operand;
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  const int64_t elements = type.shape.elements() / type.shape[0];
  return static_cast<Byte*>(operand) +
         args.op.attributes().integer("first_row") * elements * size_of(type.dtype);
}

/// Where the gradient of some rows of a weight or bias starts from and goes to. What nothing was added to yet is
/// cleared: the op leaves the other rows alone.
struct RowSums {
  const void* start;
  void* y;
};

RowSums row_sums(const KernelArgs& args) {
  const bool accumulates = args.op.has_in(2), whole = !args.op.attributes().has("first_row");
  if (!accumulates && !whole) clear(args, 0);
  void* const y = first_row(args, args.outputs[0], args.op.out(0));
  return {accumulates || !whole ? y : nullptr, y};
}

}  // namespace

void linear_cpu(const KernelArgs& args) {
  cpu::Gemm g = product(args);
  g.k = g.lda;
  g.b_transposed = true;
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
