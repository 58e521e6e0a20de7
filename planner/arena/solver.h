// Finds offsets: list heuristics first, then the exact search, by strategies that take turns.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "planner/arena/problem.h"
#include "planner/arena/tree.h"

namespace tidemark::arena {

enum class Status : uint8_t {
  solved,
  infeasible,  ///< proved
  not_found,   ///< within the limits
};

struct SolverOptions {
  Techniques techniques;
  int64_t work = std::numeric_limits<int64_t>::max();  ///< elementary steps of the search: reproducible
  double seconds = std::numeric_limits<double>::infinity();
};

struct Solution {
  Status status = Status::not_found;
  std::vector<int64_t> offsets;  ///< of the buffers, where solved
  int64_t end = 0;               ///< one past the highest byte
  int64_t lower_bound = 0;       ///< no placement ends below
  std::string method;            ///< what found it
  int64_t nodes = 0;             ///< of the search tree

  bool optimal() const { return status == Status::solved && end == lower_bound; }
};

/// Offsets within [0, capacity). Throws InternalError on buffers with a fault_of().
Solution fit(const std::vector<Buffer>& buffers, int64_t capacity, const SolverOptions& options);

/// Offsets with the lowest end that the limits allow to find; always solved. Optimal where the end is the
/// lower bound, which the search raises as it proves capacities too small.
/// An end at or below `good_enough` is not improved.
Solution minimize(const std::vector<Buffer>& buffers, const SolverOptions& options, int64_t good_enough = 0);

}  // namespace tidemark::arena
