// Offset assignment problems as CSV, in MiniMalloc's form (docs/formats.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "planner/arena/problem.h"

namespace tidemark::arena {

/// Throws Error naming file and line on anything that is not such a problem. `name` is the file's. A column
/// `offset`, as in a solved problem, is checked for numbers and otherwise left alone.
std::vector<Buffer> parse_csv(std::string_view text, const std::string& name);

/// The problem with a column of offsets.
std::string to_csv(const std::vector<Buffer>& buffers, const std::vector<int64_t>& offsets);

}  // namespace tidemark::arena
