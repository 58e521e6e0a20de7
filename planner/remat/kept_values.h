// What a block's forward may leave for its backward.
#pragma once

#include <set>
#include <vector>

#include "planner/remat/chain.h"
#include "planner/remat/search_graph.h"

namespace tidemark {

/// Of a block's forward values, some that are there when its backward begins; its output always is. What can
/// be made but once is there too, and not among them.
using KeptValues = std::set<ValueId>;

/// Those with which remaking the rest takes the fewest seconds for their bytes: of every price of a byte the
/// best, and so the corners of the trade-off. From all that the backward reads to the output alone.
std::vector<KeptValues> best_kept_values(const SearchGraph& graph, const Block& block);

}  // namespace tidemark
