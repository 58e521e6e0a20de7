// What the CPU kernels share: operand types, ranges over threads, checks of integer inputs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "executor/cpu/thread_pool.h"
#include "executor/kernel.h"
#include "executor/ops/sequences.h"

namespace tidemark::ops {

inline bool is_bf16(const TensorType& type) {
  return type.dtype == DType::bf16;
}

inline int64_t rows_of(const TensorType& type) {
  return type.shape[0];
}
inline int64_t columns_of(const TensorType& type) {
  return type.shape[1];
}

/// Elements (of all operands of a row together) that are worth a thread's while.
inline constexpr int64_t kGrain = 1 << 14;

/// fn(begin, end) for the pieces of [0, n), each of `grain` but the last.
template <typename F>
void parallel_ranges(ThreadPool* pool, int64_t n, int64_t grain, F&& fn) {
  pool->parallel_for((n + grain - 1) / grain,
                     [&](int64_t i, int) { fn(i * grain, std::min(n, (i + 1) * grain)); });
}

/// The same over rows of `columns` elements.
template <typename F>
void parallel_rows(ThreadPool* pool, int64_t rows, int64_t columns, F&& fn) {
  parallel_ranges(pool, rows, std::max<int64_t>(1, kGrain / columns), fn);
}

/// Where the columns begin that the op reads of a wider operand (its attribute first_column).
template <typename T>
T* first_column(const KernelArgs& args, T* operand, DType dtype) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return static_cast<Byte*>(operand) + args.op.attributes().integer("first_column") * size_of(dtype);
}

/// Zeroes an output.
void clear(const KernelArgs& args, int output);

inline Sequences sequences_of(const KernelArgs& args, int cu_seqlens) {
  return {args.in<int32_t>(cu_seqlens), rows_of(args.op.in(cu_seqlens))};
}

/// Throws Error where an id is not in [0, vocabulary) and is not `ignored`; `name` is the operand's.
void check_ids(const int32_t* ids, int64_t n, int64_t vocabulary, int32_t ignored, const char* name);

}  // namespace tidemark::ops
