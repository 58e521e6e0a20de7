// A time below which no order of a training graph's ops stays within a budget.
#pragma once

#include <cstdint>

#include "planner/remat/problem.h"

namespace tidemark {

/// Seconds of one step, by the problem's op times, that every valid order with an arena of at most `budget`
/// bytes takes at least; 0 means no budget.
///
/// All forward ops run before the first backward op. What a backward op reads of them is, at that moment,
/// either live or made again later. So an order must run a second time ops that free all that exceeds the
/// budget; the fractional knapsack over those ops (seconds per byte) is a lower bound on their time.
double lower_bound_seconds(const RematProblem& problem, int64_t budget);

}  // namespace tidemark
