// A time below which no step that may use the host's memory stays within a budget.
#pragma once

#include <cstdint>

#include "planner/offload/absences.h"
#include "planner/offload/copy_times.h"
#include "planner/remat/search_graph.h"

namespace tidemark {

/// Bytes that are away at a moment are fetched within the step, so a step of T seconds has no more of them
/// than the link fetches in T; with those in the arena, too, its order is one that fits a budget as much
/// larger. The least T that is no less than lower_bound() (remat/lower_bound.h) of that budget bounds all.
///
/// `room` as of RematProblem::room(); `state_bytes`: of all optimizer states; `known`: what no step is faster
/// than, with any memory; `found`: a step's seconds, above which nothing is looked for.
double offload_lower_bound(const SearchGraph& graph, int64_t room, const OffloadKinds& kinds,
                           int64_t state_bytes, const HostLink& link, double known, double found);

}  // namespace tidemark
