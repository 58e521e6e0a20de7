#include "planner/remat/strategy.h"

namespace tidemark {
namespace {

class KeepAll final : public Strategy {
 public:
  std::string_view name() const override { return "keep-all"; }

  std::optional<Candidate> fastest(const RematProblem& problem, int64_t budget, const Candidate*,
                                   const SearchControl&) const override {
    if (problem.keep_all().arena_bytes > budget) return std::nullopt;
    return problem.keep_all();
  }

  Candidate smallest(const RematProblem& problem, const Candidate*) const override {
    return problem.keep_all();
  }
};

}  // namespace

const Strategy& keep_all_strategy() {
  static const KeepAll strategy;
  return strategy;
}

}  // namespace tidemark
