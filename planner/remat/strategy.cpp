#include "planner/remat/strategy.h"

#include "base/error.h"

namespace tidemark {

const std::vector<const Strategy*>& strategies() {
  // The integer program stands before the local search, which goes on for as long as it may.
  static const std::vector<const Strategy*> all = {&keep_all_strategy(),        &sqrt_strategy(),
                                                   &chain_dp_strategy(),        &min_cut_strategy(),
                                                   &state_search_strategy(),
#ifdef TIDEMARK_CBC
                                                   &integer_program_strategy(),
#endif
                                                   &local_search_strategy()};
  return all;
}

std::string strategy_names() {
  std::string names = "auto";
  for (const Strategy* s : strategies()) names += ", " + std::string(s->name());
  return names;
}

std::vector<const Strategy*> find_strategies(std::string_view name) {
  if (name == "auto") return strategies();
  for (const Strategy* s : strategies())
    if (s->name() == name) return {s};
  throw Error("cannot plan", "strategy", "there is none called '" + std::string(name) + "'",
              "use one of: " + strategy_names());
}

}  // namespace tidemark
