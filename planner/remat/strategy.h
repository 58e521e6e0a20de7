// Ways to choose what a step recomputes.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "planner/remat/problem.h"

namespace tidemark {

class Strategy {
 public:
  virtual ~Strategy() = default;
  virtual std::string_view name() const = 0;
  /// The fastest order it finds within `budget` bytes; nothing if it finds none.
  virtual std::optional<Candidate> fastest(const RematProblem& problem, int64_t budget) const = 0;
  /// The order with the smallest arena that it finds. Depends on nothing but the problem.
  virtual Candidate smallest(const RematProblem& problem) const = 0;
};

const Strategy& keep_all_strategy();  ///< "keep-all": the graph's own order, nothing twice
/// "sqrt": about sqrt(n) uniform segments of the chain, of which only the ends are kept (Chen et al. 2016,
/// "Training deep nets with sublinear memory cost").
const Strategy& sqrt_strategy();
const Strategy& chain_dp_strategy();  ///< "chain-dp": the dynamic program of remat/rotor.h

/// In the order in which `auto` asks them.
const std::vector<const Strategy*>& strategies();
/// Those that a name stands for: one, or all for "auto". Throws Error where there is none of that name.
std::vector<const Strategy*> find_strategies(std::string_view name);

}  // namespace tidemark
