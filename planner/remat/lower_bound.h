// A time below which no order of a training graph's ops stays within a budget.
#pragma once

#include <cstdint>

#include "planner/remat/moment.h"
#include "planner/remat/search_graph.h"

namespace tidemark {

struct LowerBound {
  double seconds = 0;   ///< of one step; infinite where no order fits
  OpId moment = kNone;  ///< the op at whose first run it was proven; kNone: every op runs once
  MomentBound proof;    ///< that moment's
};

/// The best bound of remat/moment.h over the ops of the step: all of a small graph; of a large one some
/// at equal distances, and more where the bound is high.
LowerBound lower_bound(const SearchGraph& graph, int64_t room);

}  // namespace tidemark
