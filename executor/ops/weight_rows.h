// Ops that use some rows of a weight or bias, or make the gradient of those: attribute first_row.
#pragma once

#include <type_traits>

#include "executor/kernel.h"

namespace tidemark::ops {

/// A weight, bias or gradient of one, from the row on that the op uses.
template <typename T>
T* first_row(const KernelArgs& args, T* operand, const TensorType& type) {
  if (!args.op.attributes().has("first_row")) return operand;
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  const int64_t elements = type.shape.elements() / type.shape[0];
  return static_cast<Byte*>(operand) +
         args.op.attributes().integer("first_row") * elements * size_of(type.dtype);
}

/// Where the gradient of those rows starts from and goes to: output 0, and input 2 where there is one.
struct RowSums {
  const void* start;
  void* y;
  bool clears;  ///< Output 0 must be zero before: the op leaves the other rows alone, and nothing was added
                ///< yet.
};

inline RowSums row_sums(const KernelArgs& args) {
  const bool accumulates = args.op.has_in(2), whole = !args.op.attributes().has("first_row");
  void* const y = first_row(args, args.outputs[0], args.op.out(0));
  return {accumulates || !whole ? y : nullptr, y, !accumulates && !whole};
}

}  // namespace tidemark::ops
