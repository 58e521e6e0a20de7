// Results do not take the place of what they are made from.
#pragma once

#include <string>
#include <vector>

namespace tidemark::cli {

/// Throws Error where `out` is one of the files that are read; empty names are none.
void keep_inputs(const std::string& out, const std::vector<std::string>& inputs);

}  // namespace tidemark::cli
