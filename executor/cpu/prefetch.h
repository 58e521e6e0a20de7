// Asking for memory before it is needed: the hardware does not guess that a head's or a tile's next row is
// a whole row of the matrix away.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace tidemark::cpu {

/// Into the second-level cache: `columns` elements of each of `rows` rows that are `ld` elements apart.
template <typename T>
inline void prefetch_rows(const T* first, int64_t ld, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, first += ld) {
    const auto begin = reinterpret_cast<uintptr_t>(first) & ~uintptr_t{63};
    const auto end = reinterpret_cast<uintptr_t>(first + columns);
    for (uintptr_t line = begin; line < end; line += 64)
      _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T1);
  }
}

}  // namespace tidemark::cpu
