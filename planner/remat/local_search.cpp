#include <algorithm>
#include <limits>

#include "planner/remat/annealer.h"
#include "planner/remat/strategy.h"

namespace tidemark {
namespace {

constexpr int64_t kChangesPerOp = 800;  // of a course: some seconds, the same on every machine
constexpr int64_t kFewestChanges = 300'000, kMostChanges = 800'000;
constexpr int64_t kFirstRound = 5'000;   // changes; each round has twice as many as the one before
constexpr int64_t kFirstRoundPerOp = 5;  // at least: fewer leave a large graph as it is
constexpr int kRoundsOfWhole = 5;        // at least: the end of each says how much room placing takes
constexpr int kCoursesAlike = 3;         // then each so many are twice as long
constexpr int kMostDoublings = 16;
// Without a deadline there is a second course for graphs of so few ops, so many times above the bound.
constexpr size_t kMostAgain = 400;
constexpr double kFar = 1.04;
constexpr int kRoundsOfAll = 2;  // then the best start alone goes on
constexpr int64_t kQuickPlacement = 50'000'000, kPatientPlacement = 200'000'000;
constexpr int64_t kFewestSqueeze = 4'000, kMostSqueeze = 80'000;  // changes to get below a peak
constexpr double kFirstSqueeze = 0.3;                             // of the peak
constexpr double kLastSqueeze = 0.01;

class LocalSearch final : public Strategy {
 public:
  std::string_view name() const override { return "local-search"; }

  std::optional<Candidate> fastest(const RematProblem& problem, int64_t budget, const Candidate* incumbent,
                                   const SearchControl& control) const override {
    if (problem.room(budget) <= 0) return std::nullopt;
    std::optional<Candidate> best =
        course(problem, budget, incumbent ? &incumbent->order : nullptr, 0, control);
    if (!best && !incumbent) return std::nullopt;
    // Courses end apart, at small budgets far apart.
    const bool again = problem.search_graph().ops.size() <= kMostAgain;
    for (int k = 1; (control.deadline || (again && k == 1)) && !control.stopped(); ++k) {
      const Candidate& from = best ? *best : *incumbent;
      if (from.seconds <= (control.deadline ? 1 : kFar) * control.good_enough_seconds) break;
      const std::vector<OpId> start =
          k % 2 == 1 ? squeezed(problem.search_graph(), from.order, control) : from.order;
      std::optional<Candidate> found = course(problem, budget, &start, k, control);
      if (found && found->seconds < from.seconds) best = std::move(found);
    }
    return best;
  }

  Candidate smallest(const RematProblem& problem, const Candidate* incumbent) const override {
    const Candidate& start = incumbent ? *incumbent : problem.keep_all();
    Candidate smallest = start;
    for (const Candidate* from : {&start, &problem.keep_all()}) {
      Candidate found = problem.evaluate(squeezed(problem.search_graph(), from->order, {}));
      if (found.arena_bytes < smallest.arena_bytes) smallest = std::move(found);
      if (!incumbent) break;
    }
    return smallest;
  }

 private:
  /// An order with as low a peak as the search gets to by asking for ever less.
  static std::vector<OpId> squeezed(const SearchGraph& graph, std::vector<OpId> order,
                                    SearchControl control) {
    control.good_enough_seconds = 0;  // that it fits is not enough
    const auto ops = static_cast<int64_t>(graph.ops.size());
    const int64_t changes = std::clamp(ops * ops, kFewestSqueeze, kMostSqueeze);
    Timeline timeline(graph, order);
    auto peak = static_cast<int64_t>(timeline.peak());
    Annealer annealer(std::move(timeline), peak, 3);
    for (double step = kFirstSqueeze; step >= kLastSqueeze;) {
      annealer.set_room(static_cast<int64_t>(static_cast<double>(peak) * (1 - step)));
      annealer.run(changes, control);
      if (annealer.best()) {
        order = *annealer.best();
        peak = annealer.best_peak();
        continue;
      }
      step /= 2;
      if (annealer.lowest_peak() >= peak) continue;
      order = annealer.lowest();
      peak = annealer.lowest_peak();
    }
    return order;
  }

  /// A search from the graph's own order and from `start`, if there is one. Later courses are longer and
  /// hotter every other time, and place more patiently.
  std::optional<Candidate> course(const RematProblem& problem, int64_t budget, const std::vector<OpId>* start,
                                  int number, const SearchControl& control) const {
    const int64_t whole = problem.room(budget);
    int64_t room = whole;
    const bool patient = number > 0;
    std::vector<Annealer> climbs;
    const auto seed = static_cast<uint64_t>(2 * number);
    const HeatOf heat = number % 2 == 0 ? HeatOf::op : HeatOf::second;
    climbs.emplace_back(Timeline(problem.search_graph(), problem.keep_all().order), room, seed + 1, heat);
    if (start) climbs.emplace_back(Timeline(problem.search_graph(), *start), room, seed + 2, heat);

    std::optional<Candidate> best;
    const auto ops = static_cast<int64_t>(problem.search_graph().ops.size());
    const int64_t most = std::clamp(kChangesPerOp * ops, kFewestChanges, kMostChanges)
                         << std::min(number / kCoursesAlike, kMostDoublings);
    int64_t done = 0, round = std::max(kFirstRound, kFirstRoundPerOp * ops);
    double placed_seconds = 0;  // of the order that was placed last
    for (int rounds = 1; done < most && !control.stopped(); ++rounds) {
      for (Annealer& climb : climbs) {
        climb.run(std::min(round, most - done), control);
        done += round;
      }
      round = std::min(2 * round, most / kRoundsOfWhole);
      const auto leader = std::min_element(climbs.begin(), climbs.end(), faster);
      if (rounds == kRoundsOfAll && climbs.size() > 1) climbs = {*leader};
      const Annealer& first = rounds == kRoundsOfAll ? climbs.front() : *leader;
      if (!first.best() || first.best_seconds() == placed_seconds) continue;
      Candidate placed = problem.evaluate(*first.best(), budget, kQuickPlacement);
      placed_seconds = placed.seconds;
      if (patient && placed.arena_bytes > budget)
        placed = problem.evaluate(*first.best(), budget, kPatientPlacement);
      const int64_t over = placed.arena_bytes - budget;
      if (over <= 0 && (!best || placed.seconds < best->seconds)) {
        best = std::move(placed);
        if (control.progress) control.progress({name(), best->seconds, 0});
        if (best->seconds <= control.good_enough_seconds) break;
      }
      // No placement is as tight as the bytes that live: ask for less of them, or for more again.
      room += over > 0 ? (patient ? -over / 2 - kArenaAlignment : -over) : (whole - room) / 4;
      for (Annealer& climb : climbs) climb.set_room(room);
    }
    return best;
  }

  static bool faster(const Annealer& a, const Annealer& b) {
    if (a.best().has_value() != b.best().has_value()) return a.best().has_value();
    return a.best() && a.best_seconds() < b.best_seconds();
  }
};

}  // namespace

const Strategy& local_search_strategy() {
  static const LocalSearch strategy;
  return strategy;
}

}  // namespace tidemark
