#include <cmath>

#include "planner/remat/strategy.h"

namespace tidemark {
namespace {

using Kind = StageAction::Kind;

std::vector<StageAction> segment_actions(int stages, int segments) {
  std::vector<StageAction> actions;
  const auto begin_of = [&](int k) { return k * stages / segments; };
  for (int s = 0; s + 1 < stages; ++s) actions.push_back({Kind::forward, s});
  for (int k = segments - 1; k >= 0; --k) {
    const int begin = begin_of(k), end = begin_of(k + 1);
    // The last segment's forward has just run.
    for (int s = begin; s < end && k + 1 < segments; ++s) actions.push_back({Kind::forward, s, 0});
    for (int s = end - 1; s >= begin; --s)
      actions.push_back({s + 1 == stages ? Kind::direct : Kind::backward, s, 0});
  }
  return actions;
}

class Sqrt final : public Strategy {
 public:
  std::string_view name() const override { return "sqrt"; }

  std::optional<Candidate> fastest(const RematProblem& problem, int64_t budget, const Candidate*,
                                   const SearchControl&) const override {
    return problem.fit(order(problem), budget);
  }

  Candidate smallest(const RematProblem& problem, const Candidate*) const override {
    return problem.evaluate(order(problem));
  }

 private:
  static std::vector<OpId> order(const RematProblem& problem) {
    const int stages = static_cast<int>(problem.stages().stages().size());
    const int segments = static_cast<int>(std::lround(std::sqrt(stages)));
    return problem.stages().order(segment_actions(stages, segments));
  }
};

}  // namespace

const Strategy& sqrt_strategy() {
  static const Sqrt strategy;
  return strategy;
}

}  // namespace tidemark
