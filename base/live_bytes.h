// When buffers live, summed up: the curve that every plan, trace and picture of them shows.
#pragma once

#include <numeric>
#include <vector>

#include "base/category.h"

namespace tidemark {

/// Bytes by category at each of `steps` steps. A buffer has `category`, `bytes`, and `first_step` and
/// `last_step`, both inclusive and below `steps`.
template <typename Buffers>
std::vector<CategoryBytes> live_by_category(const Buffers& buffers, size_t steps) {
  std::vector<CategoryBytes> live(steps);
  for (const auto& b : buffers) {
    const auto c = static_cast<size_t>(b.category);
    live[static_cast<size_t>(b.first_step)][c] += b.bytes;
    if (const auto end = static_cast<size_t>(b.last_step) + 1; end < steps) live[end][c] -= b.bytes;
  }
  for (size_t i = 1; i < steps; ++i)
    for (size_t c = 0; c < kCategoryCount; ++c) live[i][c] += live[i - 1][c];
  return live;
}

/// The bytes of all of them together.
template <typename Buffers>
std::vector<int64_t> live_in_all(const Buffers& buffers, size_t steps) {
  std::vector<int64_t> live(steps);
  for (const auto& b : buffers) {
    live[static_cast<size_t>(b.first_step)] += b.bytes;
    if (const auto end = static_cast<size_t>(b.last_step) + 1; end < steps) live[end] -= b.bytes;
  }
  std::partial_sum(live.begin(), live.end(), live.begin());
  return live;
}

}  // namespace tidemark
