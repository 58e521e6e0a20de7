#include "planner/arena/arena.h"

#include <algorithm>

#include "base/error.h"
#include "planner/arena/search.h"

namespace tidemark {
namespace {

/// About forty placements of all buffers: enough for several starts and some moves from each.
int64_t usual_effort(size_t buffers) {
  const auto n = static_cast<int64_t>(buffers);
  return std::clamp<int64_t>(40 * n * n, 100'000'000, 600'000'000);
}

}  // namespace

int64_t arena_lower_bound(const std::vector<ArenaBuffer>& buffers) {
  const std::vector<int64_t> live = arena::pressure(buffers);
  return live.empty() ? 0 : *std::max_element(live.begin(), live.end());
}

ArenaSolution solve_arena(const std::vector<ArenaBuffer>& buffers, const ArenaOptions& options) {
  ArenaSolution solution;
  solution.offsets.assign(buffers.size(), 0);
  std::vector<ArenaBuffer> movable;
  std::vector<size_t> ids;
  int64_t base = 0;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const ArenaBuffer& b = buffers[i];
    if (b.bytes < 0 || b.first < 0 || b.last < b.first)
      throw InternalError("arena buffer " + std::to_string(i) + " has a negative size or life");
    if (b.bottom) {
      solution.offsets[i] = base;
      base += b.bytes;
    } else if (b.bytes > 0) {
      ids.push_back(i);
      movable.push_back(b);
    }
  }
  solution.lower_bound = base + arena_lower_bound(movable);
  if (ids.empty()) {
    solution.end = base;
    return solution;
  }
  arena::Search search(std::move(movable), options.target - base);
  search.run(options.effort == ArenaOptions::kUsual ? usual_effort(ids.size()) : options.effort);
  for (size_t k = 0; k < ids.size(); ++k) solution.offsets[ids[k]] = base + search.offsets()[k];
  solution.end = base + search.end();
  solution.method = search.method();
  return solution;
}

}  // namespace tidemark
