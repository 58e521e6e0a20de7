// What tells whether a file is still the one it was.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tidemark {

/// {"bytes": …, "crc32": …} of a file; of a folder, such seals by the names of the files in it. Throws Error,
/// beginning with `what`, naming the file that cannot be read.
nlohmann::json file_seal(const std::string& path, const std::string& what);

}  // namespace tidemark
