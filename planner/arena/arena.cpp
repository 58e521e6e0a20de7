#include "planner/arena/arena.h"

#include <algorithm>

#include "base/error.h"
#include "planner/arena/solver.h"

namespace tidemark {
namespace {

/// More for many buffers, of which each step of the search looks at more.
int64_t usual_effort(size_t buffers) {
  const auto n = static_cast<int64_t>(buffers);
  return std::clamp<int64_t>(200 * n * n, 50'000'000, 600'000'000);
}

/// Those that do not lie at the bottom.
std::vector<arena::Buffer> movable(const std::vector<ArenaBuffer>& buffers) {
  std::vector<arena::Buffer> result;
  for (const ArenaBuffer& b : buffers)
    if (!b.bottom) result.push_back({{}, {b.first, int64_t{b.last} + 1}, b.bytes, {}});
  return result;
}

}  // namespace

int64_t arena_lower_bound(const std::vector<ArenaBuffer>& buffers) {
  int64_t bottom = 0;
  for (const ArenaBuffer& b : buffers) bottom += b.bottom ? b.bytes : 0;
  return bottom + arena::lower_bound(movable(buffers));
}

ArenaSolution solve_arena(const std::vector<ArenaBuffer>& buffers, const ArenaOptions& options) {
  ArenaSolution solution;
  int64_t base = 0;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const ArenaBuffer& b = buffers[i];
    if (b.bytes < 0 || b.first < 0 || b.last < b.first)
      throw InternalError("arena buffer " + std::to_string(i) + " has a negative size or life");
    solution.offsets.push_back(base);
    if (b.bottom) base += b.bytes;
  }
  const std::vector<arena::Buffer> others = movable(buffers);
  arena::SolverOptions limits;
  limits.work = options.effort == ArenaOptions::kUsual ? usual_effort(others.size()) : options.effort;
  const arena::Solution placed = arena::minimize(others, limits, options.target - base);
  auto offset = placed.offsets.begin();
  for (size_t i = 0; i < buffers.size(); ++i)
    if (!buffers[i].bottom) solution.offsets[i] = base + *offset++;
  solution.end = base + placed.end;
  solution.lower_bound = base + placed.lower_bound;
  solution.method = placed.method;
  return solution;
}

}  // namespace tidemark
