#include <cmath>
#include <limits>

#include "planner/remat/state_search.h"
#include "planner/remat/strategy.h"

namespace tidemark {
namespace {

constexpr int64_t kStates =
    100'000;  // where there is no deadline: less than a second, the same on every machine
constexpr int64_t kMostStates = 2'000'000;  // what memory allows
constexpr int kTries = 4;                   // placing takes room that the search does not know of
constexpr double kRounding = 1e-12;         // sums of seconds differ by the order in which they are added

class StateSearchStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "state-search"; }
  bool takes(const RematProblem& problem, bool) const override {
    return StateSearch::can_search(problem.search_graph());
  }

  std::optional<Candidate> fastest(const RematProblem& problem, int64_t budget, const Candidate* incumbent,
                                   const SearchControl& control) const override {
    const SearchGraph& graph = problem.search_graph();
    const int64_t room = problem.room(budget);
    if (room <= 0 || !takes(problem, control.deadline.has_value())) return std::nullopt;
    const double once = graph.seconds_once();
    const bool fits = incumbent && incumbent->arena_bytes <= budget;
    const double limit = fits ? incumbent->seconds - once : std::numeric_limits<double>::infinity();
    const int64_t states = control.deadline ? kMostStates : kStates;
    int64_t less = room;
    for (int k = 0; k < kTries && less > 0 && !control.stopped(); ++k) {
      const StateSearch::Answer answer = StateSearch(graph, less).fastest(limit, states, control);
      if (less == room && control.proven && std::isfinite(answer.again))
        control.proven((once + answer.again) * (1 - kRounding));
      if (answer.order.empty()) break;
      Candidate placed = problem.evaluate(answer.order, budget);
      if (placed.arena_bytes <= budget) return placed;
      less -= placed.arena_bytes - budget;
    }
    return std::nullopt;
  }
};

}  // namespace

const Strategy& state_search_strategy() {
  static const StateSearchStrategy strategy;
  return strategy;
}

}  // namespace tidemark
