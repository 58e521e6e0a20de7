// Checks of an option's number, in place of CLI11's, which tell the largest double there is.
#pragma once

#include <CLI/CLI.hpp>

namespace tidemark::cli {

CLI::Validator positive();      ///< above 0, and finite
CLI::Validator not_negative();  ///< 0 or above, and finite

}  // namespace tidemark::cli
