#include <cstring>

#include "executor/ops/all.h"
#include "executor/ops/operands.h"

namespace tidemark::ops {
namespace {

/// Copies between a matrix and the two it is cut into.
template <typename Copy>
void for_halves(const KernelArgs& args, const TensorType& whole, const TensorType& a, Copy copy) {
  const int64_t item = size_of(whole.dtype);
  const int64_t bytes = columns_of(whole) * item, left = columns_of(a) * item, right = bytes - left;
  parallel_rows(args.pool, rows_of(whole), columns_of(whole), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      copy(0, row * bytes, row * left, static_cast<size_t>(left));
      copy(1, row * bytes + left, row * right, static_cast<size_t>(right));
    }
  });
}

}  // namespace

void concat_columns_cpu(const KernelArgs& args) {
  for_halves(args, args.op.out(0), args.op.in(0), [&](int half, int64_t whole, int64_t part, size_t bytes) {
    std::memcpy(args.out<char>(0) + whole, args.in<char>(half) + part, bytes);
  });
}

void split_columns_cpu(const KernelArgs& args) {
  for_halves(args, args.op.in(0), args.op.out(0), [&](int half, int64_t whole, int64_t part, size_t bytes) {
    std::memcpy(args.out<char>(half) + part, args.in<char>(0) + whole, bytes);
  });
}

}  // namespace tidemark::ops
