#include "cli/keep_inputs.h"

#include <filesystem>

#include "base/error.h"

namespace tidemark::cli {

void keep_inputs(const std::string& out, const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs) {
    std::error_code absent;
    if (std::filesystem::equivalent(input, out, absent))
      throw Error("cannot write the results", out, "it is also read", "name another file");
  }
}

}  // namespace tidemark::cli
