#include "cli/companion.h"

#include <filesystem>

namespace tidemark::cli {

std::string companion_library(const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
  for (const fs::path& place : {folder, folder.parent_path() / "lib"})
    if (fs::path library = place / name; fs::exists(library)) return library;
  return {};
}

}  // namespace tidemark::cli
