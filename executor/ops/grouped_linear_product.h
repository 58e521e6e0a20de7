// The products of rows grouped by expert, as kernels are given them.
#pragma once

#include <cstdint>

#include "executor/device/group.h"

namespace tidemark::ops {

/// y[slots, columns] of x[rows, k] and of each expert weight[columns, k], or [k, columns].
template <typename T>
struct GroupedProduct {
  const T* x = nullptr;
  const T* weight = nullptr;
  const T* start = nullptr;
  T* y = nullptr;
  int64_t columns = 0, k = 0, slots = 0, experts = 0, top_k = 1;
  bool weight_transposed = false;
  bool gathers = false;  ///< x has a row per token
  const int32_t* order = nullptr;
  const int32_t* offsets = nullptr;
};

/// dweight[experts, outputs, inputs] (+)= the sum over the expert's slots of dy x^T; one of the two has a row
/// per token.
template <typename T>
struct GroupedWeightGrad {
  const T* dy = nullptr;
  const T* x = nullptr;
  T* dweight = nullptr;
  int64_t outputs = 0, inputs = 0, experts = 0, top_k = 1;
  bool gathers_dy = false, adds = false;
  const int32_t* order = nullptr;
  const int32_t* offsets = nullptr;
};

/// Of block `block` of kTile rows, no two experts' in one: the expert, -1 past the last, its first row and
/// the one past its last.
template <int kTile>
TIDEMARK_HOST_DEVICE void find_expert_rows(const int32_t* offsets, int64_t experts, int64_t block,
                                           int32_t* found) {
  found[0] = -1;
  for (int64_t e = 0; e < experts && found[0] < 0; ++e) {
    const int64_t rows = offsets[e + 1] - offsets[e];
    const int64_t own = (rows + kTile - 1) / kTile;
    if (block < own) {
      found[0] = static_cast<int32_t>(e);
      found[1] = offsets[e] + static_cast<int32_t>(block * kTile);
      found[2] = device::smaller(offsets[e + 1], found[1] + kTile);
    }
    block -= own;
  }
}

}  // namespace tidemark::ops
