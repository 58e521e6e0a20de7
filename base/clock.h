// The clock that op times are read from.
#pragma once

#include <chrono>
#include <cstdint>

namespace tidemark {

/// Nanoseconds of the run's monotonic clock.
struct TimeSpan {
  int64_t start_ns = 0, end_ns = 0;
};

inline int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace tidemark
