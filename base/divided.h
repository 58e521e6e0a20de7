// Division of whole numbers, rounded up.
#pragma once

#include <cstdint>

namespace tidemark {

/// How many pieces of at most `piece` make up n. Of n >= 0.
constexpr int64_t divided(int64_t n, int64_t piece) {
  return (n + piece - 1) / piece;
}

}  // namespace tidemark
