// What the ops' shape rules share: operands that do not fit throw Error naming the operand.
#pragma once

#include <string>

#include "base/error.h"
#include "graph/op_def.h"

namespace tidemark::ops {

inline std::string input_name(const OpView& op, int i) {
  const auto& names = op.op().def->input_names;
  return std::string(names[std::min(static_cast<size_t>(i), names.size() - 1)]);
}

inline void expect(bool holds, const OpView& op, int i, const std::string& wanted) {
  if (!holds)
    throw Error("wrong operand", input_name(op, i), "is " + op.in(i).text() + ", expected " + wanted);
}

/// Input i has this type exactly; absent optional inputs pass.
inline void expect_type(const OpView& op, int i, const TensorType& type) {
  if (op.has_in(i)) expect(op.in(i) == type, op, i, type.text());
}

inline bool is_float(DType t) {
  return t == DType::f32 || t == DType::bf16;
}

/// A float matrix; returns its type.
inline const TensorType& expect_matrix(const OpView& op, int i) {
  expect(op.in(i).shape.rank() == 2 && is_float(op.in(i).dtype), op, i, "a float matrix");
  return op.in(i);
}

inline void expect_ints(const OpView& op, int i) {
  expect(op.in(i).shape.rank() == 1 && op.in(i).dtype == DType::i32, op, i, "i32[n]");
}

/// Operand i is a matrix of at least first_column (an attribute) + `columns` columns, of which the op reads
/// the `columns` from first_column on. Its gradient is as wide, zero elsewhere: several such ops read one
/// product, and their gradients add up in one buffer.
void expect_columns(const OpView& op, int i, DType dtype, int64_t rows, int64_t columns);

/// Bytes of every operand once: what a bandwidth-bound op moves.
inline double operand_bytes(const OpView& op) {
  double bytes = 0;
  for (int i = 0; i < op.inputs(); ++i)
    if (op.has_in(i)) bytes += static_cast<double>(op.in(i).bytes());
  for (int i = 0; i < static_cast<int>(op.op().outputs.size()); ++i)
    if (op.has_out(i)) bytes += static_cast<double>(op.out(i).bytes());
  return bytes;
}

/// `flops` per element of output 0, and every operand moved once.
inline auto elementwise_work(double flops) {
  return [flops](const OpView& op) {
    return Work{flops * static_cast<double>(op.out(0).shape.elements()), operand_bytes(op)};
  };
}

inline TensorType matrix(DType dtype, int64_t rows, int64_t columns) {
  return {dtype, {rows, columns}};
}
inline TensorType vector(DType dtype, int64_t n) {
  return {dtype, {n}};
}
inline TensorType scalar() {
  return {DType::f32, {1}};
}
inline TensorType absent() {
  return {};
}

}  // namespace tidemark::ops
