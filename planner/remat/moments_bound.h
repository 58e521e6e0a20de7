// A bound of several moments, where one alone proves too little: at small budgets.
#pragma once

#include <vector>

#include "planner/remat/search_control.h"
#include "planner/remat/search_graph.h"

namespace tidemark {

/// Seconds that no order of the graph's ops within `room` bytes beats, by the program of
/// remat/moments_program.h, of moments among `contested`; 0 where there are too few of them or too many ops,
/// and in a build without CBC. Without a deadline it is the same on every machine.
double moments_bound(const SearchGraph& graph, int64_t room, const std::vector<OpId>& contested,
                     const SearchControl& control);

}  // namespace tidemark
