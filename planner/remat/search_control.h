// How long a search may go on, and who hears of what it finds.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace tidemark {

/// An improvement, as it is found.
struct SearchProgress {
  std::string_view strategy;
  double seconds = 0;              ///< of one step
  double lower_bound_seconds = 0;  ///< of any order that fits
};

struct SearchControl {
  using Clock = std::chrono::steady_clock;

  std::optional<Clock::time_point> deadline;  ///< search on until then
  std::function<bool()> stop;                 ///< asked now and then; once true, come back with what there is
  std::function<void(const SearchProgress&)> progress;
  /// A strategy proved that no order that fits is faster.
  std::function<void(double seconds)> proven;
  double good_enough_seconds = 0;  ///< no order is faster than this: stop there

  bool stopped() const { return (stop && stop()) || (deadline && Clock::now() >= *deadline); }
};

}  // namespace tidemark
