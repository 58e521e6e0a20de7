// Where sequences begin among packed rows, for kernels that must not cross from one to the next.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

/// cu_seqlens: non-decreasing; a sequence begins at each entry but the last ones, which are the rows' number.
struct Sequences {
  const int32_t* cu_seqlens = nullptr;
  int64_t entries = 0;
};

}  // namespace tidemark::ops

#if defined(TIDEMARK_ISA_NS)
namespace tidemark::ops::TIDEMARK_ISA_NS {

/// Bit i: a sequence begins at row first + i, for i < rows <= 64.
inline uint64_t starts_among(const Sequences& sequences, int64_t first, int64_t rows) {
  int64_t low = 0, high = sequences.entries;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (sequences.cu_seqlens[middle] < first)
      low = middle + 1;
    else
      high = middle;
  }
  uint64_t mask = 0;
  for (; low < sequences.entries && sequences.cu_seqlens[low] < first + rows; ++low)
    mask |= uint64_t{1} << (sequences.cu_seqlens[low] - first);
  return mask;
}

/// The last sequence that begins at or before `row`.
inline int64_t sequence_at(const Sequences& sequences, int64_t row) {
  int64_t low = 0, high = sequences.entries;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (sequences.cu_seqlens[middle] <= row)
      low = middle;
    else
      high = middle;
  }
  return low;
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
#endif
