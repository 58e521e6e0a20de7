// The middle of measurements.
#pragma once

#include <algorithm>
#include <vector>

namespace tidemark {

/// The upper one of two in the middle. `values` must not be empty.
template <typename T>
T median(std::vector<T> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace tidemark
