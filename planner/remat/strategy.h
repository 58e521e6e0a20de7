// Ways to choose what a step recomputes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planner/remat/problem.h"
#include "planner/remat/search_control.h"

namespace tidemark {

class Strategy {
 public:
  virtual ~Strategy() = default;
  virtual std::string_view name() const = 0;
  /// False: the graph is too large for it, and it answers nothing.
  virtual bool takes(const RematProblem&, [[maybe_unused]] bool with_deadline) const { return true; }
  /// The fastest order it finds within `budget` bytes; nothing if it finds none. `incumbent` is the best
  /// that others found, for those who improve on something; it may be null, or not fit.
  virtual std::optional<Candidate> fastest(const RematProblem& problem, int64_t budget,
                                           const Candidate* incumbent,
                                           const SearchControl& control) const = 0;
  /// The order with the smallest arena that it finds: unless it looks for one, the incumbent's, or the
  /// graph's own. Depends on nothing but the problem and the incumbent, so that what it says to be feasible
  /// is feasible the next time.
  virtual Candidate smallest(const RematProblem& problem, const Candidate* incumbent) const {
    return incumbent ? *incumbent : problem.keep_all();
  }
};

const Strategy& keep_all_strategy();  ///< "keep-all": the graph's own order, nothing twice
/// "sqrt": about sqrt(n) uniform segments of the chain, of which only the ends are kept (Chen et al. 2016,
/// "Training deep nets with sublinear memory cost").
const Strategy& sqrt_strategy();
const Strategy& chain_dp_strategy();  ///< "chain-dp": the dynamic program of remat/rotor.h
/// "min-cut": at the op behind which most is still needed, what the relaxation of remat/moment.h keeps
/// stays; all else that is read behind it is made again once, as late as may be.
const Strategy& min_cut_strategy();
/// "local-search": remat/annealer.h, from the graph's own order and from the incumbent.
const Strategy& local_search_strategy();

/// "state-search": remat/state_search.h, where the graph is small enough for it; and a bound.
const Strategy& state_search_strategy();
/// "integer-program": remat/integer_program.h, where the graph is small enough for it, by CBC; and a bound.
/// Only in a build with CBC.
const Strategy& integer_program_strategy();

/// In the order in which `auto` asks them.
const std::vector<const Strategy*>& strategies();
std::string strategy_names();  ///< "auto, keep-all, …"
/// Those that a name stands for: one, or all for "auto". Throws Error where there is none of that name.
std::vector<const Strategy*> find_strategies(std::string_view name);

}  // namespace tidemark
