// Offset assignment for a plan: where in one arena each buffer lies, given the steps at which it lives.
//
// The problem, dynamic storage allocation, is NP-hard. List heuristics run first; what gap they leave to the
// most bytes live at once, the exact search of arena/solver.h closes as far as its effort goes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark {

struct ArenaBuffer {
  int64_t bytes = 0;
  int32_t first = 0;    ///< step, inclusive
  int32_t last = 0;     ///< step, inclusive
  bool bottom = false;  ///< lies below every buffer that is not; must live at all steps
};

struct ArenaOptions {
  /// Elementary steps that the search may take, so that a plan is the same on every machine. Usually some
  /// tenths of a second; more for many buffers.
  static constexpr int64_t kUsual = -1;
  int64_t effort = kUsual;
  /// An end that is low enough: the search stops there. 0: as low as it gets.
  int64_t target = 0;
};

struct ArenaSolution {
  std::vector<int64_t> offsets;  ///< of each buffer
  int64_t end = 0;               ///< one past the highest byte
  int64_t lower_bound = 0;       ///< no placement ends below: bytes live at once, or a proof of the search
  std::string method;            ///< what found it

  double gap() const {
    return lower_bound == 0 ? 0 : static_cast<double>(end) / static_cast<double>(lower_bound) - 1;
  }
};

/// The most bytes live at once, or the largest buffer.
int64_t arena_lower_bound(const std::vector<ArenaBuffer>& buffers);

/// Places every buffer; deterministic. Each lies on the bottom or directly on one that it shares a step
/// with, so every byte below `end` belongs to some buffer at some step. Offsets are sums of sizes: they
/// are aligned where the sizes are. Throws InternalError on a negative size or life.
ArenaSolution solve_arena(const std::vector<ArenaBuffer>& buffers, const ArenaOptions& options = {});

/// What is wrong with a placement, empty if nothing is: overlaps, bytes outside [0, end), bytes never
/// used, a bottom buffer above another. Shares nothing with the solver.
std::string check_arena(const std::vector<ArenaBuffer>& buffers, const std::vector<int64_t>& offsets,
                        int64_t end);

}  // namespace tidemark
