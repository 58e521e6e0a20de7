#include <algorithm>
#include <cmath>
#include <limits>

#include "base/divided.h"
#include "planner/remat/strategy.h"

namespace tidemark {
namespace {

constexpr int kMostSlots = 800;
constexpr int64_t kMostCells = 6'000'000;  // 96 MB of tables
constexpr int kSmallestTried = 16;
constexpr int kSmallestPlaced = 8;
constexpr int kFasterTried = 4;

/// The memories at which the table's chain gets faster, ascending.
std::vector<int> breakpoints(const RotorTable& table) {
  std::vector<int> points;
  double best = std::numeric_limits<double>::infinity();
  for (int m = 0; m <= table.slots(); ++m) {
    if (table.seconds(m) >= best) continue;
    best = table.seconds(m);
    points.push_back(m);
  }
  return points;
}

RotorTable make_table(const RematProblem& problem, int64_t most_bytes) {
  const std::vector<Stage>& stages = problem.stages().stages();
  const auto pairs = static_cast<int64_t>(stages.size() * stages.size());
  const int slots = static_cast<int>(std::clamp<int64_t>(kMostCells / pairs, 64, kMostSlots));
  return {stages, std::max<int64_t>(1, divided(most_bytes, slots)), slots};
}

/// The table counts bytes by block and rounds them up; the schedule and the arena say what an order really
/// needs. So the table's memory is a knob here, turned until the exact peak meets the budget.
class ChainDp final : public Strategy {
 public:
  std::string_view name() const override { return "chain-dp"; }
  std::optional<Candidate> fastest(const RematProblem& problem, int64_t budget, const Candidate* incumbent,
                                   const SearchControl& control) const override;
  Candidate smallest(const RematProblem& problem, const Candidate* incumbent) const override;

 private:
  static std::vector<OpId> order(const RematProblem& problem, const RotorTable& table, int memory) {
    return problem.stages().order(*table.solve(memory));
  }
};

std::optional<Candidate> ChainDp::fastest(const RematProblem& problem, int64_t budget, const Candidate*,
                                          const SearchControl& control) const {
  const int64_t transient = budget - problem.persistent_bytes();
  if (transient <= 0) return std::nullopt;
  const int64_t most = problem.keep_all().arena_bytes - problem.persistent_bytes();
  const int64_t usable = std::min(transient, most);
  const RotorTable table = make_table(problem, std::min(usable + usable / 4, most));
  const std::vector<int> points = breakpoints(table);
  std::optional<Candidate> best;
  const auto fits = [&](size_t k) {
    std::optional<Candidate> found = problem.fit(order(problem, table, points[k]), budget);
    if (!found) return false;
    if (!best || found->seconds < best->seconds) best = std::move(found);
    return true;
  };
  size_t low = 0, high = points.size();  // points below `low` fit, from `high` on do not
  while (low < high && !control.stopped()) {
    const size_t middle = (low + high) / 2;
    if (fits(middle))
      low = middle + 1;
    else
      high = middle;
  }
  for (size_t k = low + 1; k < std::min(points.size(), low + 1 + kFasterTried) && !control.stopped(); ++k)
    fits(k);
  return best;
}

Candidate ChainDp::smallest(const RematProblem& problem, const Candidate*) const {
  struct Try {
    int64_t least_bytes;
    std::vector<OpId> order;
  };
  std::vector<Try> tries;
  int64_t bytes = problem.keep_all().arena_bytes - problem.persistent_bytes();
  // The second table divides about what is needed, so that its units are finer.
  for (int round = 0; round < 2; ++round) {
    const RotorTable table = make_table(problem, bytes);
    const std::vector<int> points = breakpoints(table);
    if (points.empty()) break;
    for (size_t k = 0; k < std::min<size_t>(points.size(), kSmallestTried); ++k) {
      std::vector<OpId> o = order(problem, table, points[k]);
      const int64_t least = problem.least_bytes(o);
      tries.push_back({least, std::move(o)});
    }
    bytes = std::max<int64_t>(1, bytes / table.slots() * (points.front() + points.front() / 2));
  }
  std::stable_sort(tries.begin(), tries.end(),
                   [](const Try& a, const Try& b) { return a.least_bytes < b.least_bytes; });
  tries.resize(std::min<size_t>(tries.size(), kSmallestPlaced));
  Candidate best = problem.keep_all();
  for (const Try& t : tries) {
    if (t.least_bytes + kArenaAlignment >= best.arena_bytes) break;
    Candidate found = problem.evaluate(t.order);
    if (found.arena_bytes < best.arena_bytes) best = std::move(found);
  }
  return best;
}

}  // namespace

const Strategy& chain_dp_strategy() {
  static const ChainDp strategy;
  return strategy;
}

}  // namespace tidemark
