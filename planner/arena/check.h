// The validator of the problem's placements. Shares nothing with the solver.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/arena/problem.h"

namespace tidemark::arena {

/// What is wrong with a placement in [0, capacity), empty if nothing is: bytes outside, two buffers that
/// occupy the same byte at the same time.
std::string check(const std::vector<Buffer>& buffers, const std::vector<int64_t>& offsets, int64_t capacity);

}  // namespace tidemark::arena
