#include <algorithm>
#include <cmath>
#include <limits>

#include "planner/remat/annealer.h"
#include "planner/remat/cbc.h"
#include "planner/remat/integer_program.h"
#include "planner/remat/strategy.h"

namespace tidemark {
namespace {

constexpr int64_t kMostColumns = 3'000;  // of a program that is worth a try where there is a deadline
// Where there is none: a second or two, the same on every machine.
constexpr int64_t kFewColumns = 600;
constexpr int kFewIterations = 5'000;
constexpr int64_t kChanges = 20'000;  // of the search for a plan to beat
constexpr int kTries = 4;             // placing takes room that the program does not know of
constexpr double kTolerance = 1e-6;   // of the solver

/// Of one op that may run again, at least; infinite where none may.
double least_again(const SearchGraph& graph) {
  double least = std::numeric_limits<double>::infinity();
  for (const SearchGraph::Op& o : graph.ops)
    if (o.recomputable) least = std::min(least, o.seconds);
  return least;
}

class IntegerProgramStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "integer-program"; }
  bool takes(const RematProblem& problem, bool with_deadline) const override {
    return SlotProgram::columns(problem.search_graph(), 1) <= most_columns(with_deadline);
  }

  std::optional<Candidate> fastest(const RematProblem& problem, int64_t budget, const Candidate* incumbent,
                                   const SearchControl& control) const override {
    const SearchGraph& graph = problem.search_graph();
    const int64_t room = problem.room(budget);
    const bool with_deadline = control.deadline.has_value();
    if (room <= 0 || !takes(problem, with_deadline)) return std::nullopt;
    SearchControl half = control;  // the other half is for those who only improve
    if (half.deadline) {
      const auto now = SearchControl::Clock::now();
      half.deadline = now + (*half.deadline - now) / 2;
    }
    std::optional<Candidate> best = plan_to_beat(problem, budget, incumbent, half);
    int64_t less = room;
    int iterations = half.deadline ? std::numeric_limits<int>::max() : kFewIterations;
    for (int k = 0; k < kTries && iterations > 0 && !half.stopped(); ++k) {
      const double known = best ? best->seconds : std::numeric_limits<double>::infinity();
      if (known <= half.good_enough_seconds) break;
      const Answer answer = solve(graph, less, known, iterations, half);
      iterations -= answer.iterations;
      if (less == room && half.proven) half.proven(answer.bound);
      if (answer.order.empty()) break;
      Candidate placed = problem.evaluate(answer.order, budget);
      if (placed.arena_bytes <= budget) {
        if (!best || placed.seconds < best->seconds) best = std::move(placed);
        break;
      }
      less -= placed.arena_bytes - budget;
      if (less <= 0) break;
    }
    return best;
  }

 private:
  struct Answer {
    std::vector<OpId> order;  // empty: none is faster than what is known
    double bound = 0;         // no order within the room is faster
    int iterations = 0;
  };

  static int64_t most_columns(bool with_deadline) { return with_deadline ? kMostColumns : kFewColumns; }

  static std::optional<Candidate> plan_to_beat(const RematProblem& problem, int64_t budget,
                                               const Candidate* incumbent, const SearchControl& control) {
    std::optional<Candidate> best;
    if (incumbent && incumbent->arena_bytes <= budget) best = *incumbent;
    Annealer annealer(Timeline(problem.search_graph(), problem.keep_all().order), problem.room(budget), 1);
    annealer.run(kChanges, control);
    if (!annealer.best() || (best && best->seconds <= annealer.best_seconds())) return best;
    if (std::optional<Candidate> placed = problem.fit(*annealer.best(), budget)) return placed;
    return best;
  }

  /// Faster orders than `known` have only so many runs, so few slots do. Where these would be too many for
  /// the solver, what more runs take at least is the bound.
  static Answer solve(const SearchGraph& graph, int64_t room, double known, int most_iterations,
                      const SearchControl& control) {
    const double once = graph.seconds_once(), least = least_again(graph);
    const auto count = static_cast<int>(graph.ops.size());
    int again = 0;
    const auto useful = [&](int runs) {
      return std::isfinite(least) && (!std::isfinite(known) || once + runs * least < known);
    };
    const int most = std::isfinite(known) ? std::numeric_limits<int>::max() : count;
    while (again < most && useful(again + 1) &&
           SlotProgram::columns(graph, again + 1) <= most_columns(control.deadline.has_value()))
      ++again;
    const SlotProgram slots(graph, room, again);
    const double cutoff = std::isfinite(known) ? known * (1 - kTolerance) : known;
    const CbcAnswer answer = solve_with_cbc(slots.program(), cutoff, most_iterations, control);
    Answer found;
    found.iterations = answer.iterations;
    if (answer.columns) found.order = slots.order(*answer.columns);
    found.bound = answer.bound * (1 - kTolerance);
    if (useful(again + 1)) found.bound = std::min(found.bound, once + (again + 1) * least);
    return found;
  }
};

}  // namespace

const Strategy& integer_program_strategy() {
  static const IntegerProgramStrategy strategy;
  return strategy;
}

}  // namespace tidemark
