#include <algorithm>
#include <limits>

#include "planner/remat/annealer.h"
#include "planner/remat/strategy.h"

namespace tidemark {
namespace {

constexpr int64_t kFirstRound = 5'000;  // changes; each round has twice as many as the one before
constexpr int kRoundsOfAll = 2;         // then the best start alone goes on
constexpr int64_t kSqueeze = 4'000;     // changes to get below a peak
constexpr double kFirstSqueeze = 0.08;  // of the peak
constexpr double kLastSqueeze = 0.004;

class LocalSearch final : public Strategy {
 public:
  std::string_view name() const override { return "local-search"; }

  std::optional<Candidate> fastest(const RematProblem& problem, int64_t budget, const Candidate* incumbent,
                                   const SearchControl& control) const override {
    int64_t room = problem.room(budget);
    if (room <= 0) return std::nullopt;
    std::vector<Annealer> climbs;
    climbs.emplace_back(Timeline(problem.search_graph(), problem.keep_all().order), room, 1);
    if (incumbent) climbs.emplace_back(Timeline(problem.search_graph(), incumbent->order), room, 2);

    std::optional<Candidate> best;
    const int64_t most = control.deadline ? std::numeric_limits<int64_t>::max() : control.changes;
    int64_t done = 0, round = kFirstRound;
    for (int rounds = 1; done < most && !control.stopped(); ++rounds, round *= 2) {
      for (Annealer& climb : climbs) {
        climb.run(std::min(round, most - done), control);
        done += round;
      }
      const auto leader = std::min_element(climbs.begin(), climbs.end(), faster);
      if (rounds == kRoundsOfAll && climbs.size() > 1) climbs = {*leader};
      const Annealer& first = rounds == kRoundsOfAll ? climbs.front() : *leader;
      if (!first.best() || (best && best->seconds <= first.best_seconds())) continue;
      Candidate placed = problem.evaluate(*first.best(), budget);
      if (placed.arena_bytes <= budget) {
        best = std::move(placed);
        if (control.progress) control.progress({name(), best->seconds, 0});
        if (best->seconds <= control.good_enough_seconds) break;
        continue;
      }
      // No placement is as tight as the bytes that live: ask for less of them.
      room -= placed.arena_bytes - budget;
      for (Annealer& climb : climbs) climb.set_room(room);
    }
    return best;
  }

  Candidate smallest(const RematProblem& problem, const Candidate* incumbent) const override {
    const Candidate& start = incumbent ? *incumbent : problem.keep_all();
    Timeline timeline(problem.search_graph(), start.order);
    auto peak = static_cast<int64_t>(timeline.peak());
    Annealer annealer(std::move(timeline), peak, 3);
    std::vector<OpId> order = start.order;
    for (double step = kFirstSqueeze; step >= kLastSqueeze;) {
      annealer.set_room(static_cast<int64_t>(static_cast<double>(peak) * (1 - step)));
      annealer.run(kSqueeze, {});
      if (annealer.best()) {
        order = *annealer.best();
        peak = annealer.best_peak();
      } else {
        step /= 2;
      }
    }
    Candidate smallest = problem.evaluate(order);
    return smallest.arena_bytes < start.arena_bytes ? smallest : start;
  }

 private:
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
