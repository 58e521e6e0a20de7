// Libraries of ours that not every command needs.
#pragma once

#include <string>

namespace tidemark::cli {

/// Beside this command, or where an installation has libraries; empty: this build has none of that name.
std::string companion_library(const std::string& name);

}  // namespace tidemark::cli
