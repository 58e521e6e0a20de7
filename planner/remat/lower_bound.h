// A time below which no order of a training graph's ops stays within a budget.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/remat/search_graph.h"

namespace tidemark {

struct LowerBound {
  double seconds = 0;  ///< of one step; infinite where no order fits
  /// Ops, ascending, of those looked at, at whose first run there is no room for all that is read behind it.
  std::vector<OpId> contested;
};

/// The best bound of remat/moment.h over the ops of the step: all of a small graph; of a large one some
/// at equal distances, and more where the bound is high.
LowerBound lower_bound(const SearchGraph& graph, int64_t room);

}  // namespace tidemark
