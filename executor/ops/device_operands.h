// What the device kernels share: operand types and columns of wider operands.
#pragma once

#include <algorithm>
#include <cstdint>

#include "executor/device/group.h"
#include "executor/device/matmul.h"
#include "executor/device/wide.h"
#include "executor/kernel.h"

namespace tidemark::ops {

/// kernel<float> or kernel<Bf16>, whichever the operand's dtype is.
#define TIDEMARK_TYPED(type, kernel, ...) \
  ((type).dtype == DType::bf16 ? kernel<Bf16>(__VA_ARGS__) : kernel<float>(__VA_ARGS__))

inline constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;

/// Lanes of a block that works on a row.
inline constexpr int kRowLanes = 256;
/// Of one that works on fewer columns, whole warps.
inline int lanes_for(int64_t columns) {
  return static_cast<int>(std::min<int64_t>(kRowLanes, (columns + 31) / 32 * 32));
}

/// Of one that works on spans of a row, some for each lane: what all lanes do together costs as much
/// as a span.
template <int n>
int lanes_for_spans(const device::Spans<n>& spans) {
  return lanes_for((spans.size() + 1) / 2);
}

}  // namespace tidemark::ops
