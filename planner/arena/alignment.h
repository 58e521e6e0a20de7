// How buffers are aligned in an arena.
#pragma once

#include <cstdint>

namespace tidemark {

/// Every offset and size in an arena is a multiple of this.
inline constexpr int64_t kArenaAlignment = 64;

inline constexpr int64_t rounded_up(int64_t bytes, int64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace tidemark
