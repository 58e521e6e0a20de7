// Checks that no op touches a buffer outside its planned life.
#pragma once

#include <cstdint>
#include <vector>

#include "executor/runtime/arena.h"
#include "planner/plan.h"

namespace tidemark {

/// What the runtime does to bytes that no live buffer owns.
enum class GuardMode : uint8_t {
  off,
  /// Fills a buffer with NaN before its first and after its last step: an early or late read shows in
  /// the numbers.
  scribble,
  /// Before each op, poisons all of the arena but the op's own operands: any other access ends the
  /// program with AddressSanitizer's report. Only in builds with AddressSanitizer.
  poison,
};

bool can_poison();  ///< whether this build has AddressSanitizer

class Guard {
 public:
  /// Throws Error if the mode is not to be had in this build.
  Guard(GuardMode mode, const Plan& plan, Arena& arena);

  void before(int32_t step);
  /// Behind before() and the copies: the step may touch its operands.
  void admit(int32_t step);
  void admit_buffer(int32_t buffer);  ///< until the next step, a copy may touch it
  void after(int32_t step);
  /// Between the phases of a step the caller may read and write what is live.
  void open();

 private:
  void fill_nan(int32_t buffer);

  GuardMode mode_;
  const Plan& plan_;
  Arena& arena_;
  std::vector<std::vector<int32_t>> born_, dying_;  ///< buffers by step, in scribble mode
};

}  // namespace tidemark
