// JSON that people and other programs hand us: read strictly, errors with their place.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace tidemark {

/// Throws Error where the text is not JSON, or an object names a key twice (parsers differ on which
/// one counts). `where` names the file.
nlohmann::json parse_json(std::string_view text, const std::string& where, const std::string& what);
nlohmann::json read_json(const std::string& path, const std::string& what);

/// The same for what Python's json module writes: Infinity, -Infinity and NaN, which JSON lacks, become
/// strings of that spelling.
nlohmann::json parse_python_json(std::string_view text, const std::string& where, const std::string& what);
nlohmann::json read_python_json(const std::string& path, const std::string& what);

}  // namespace tidemark
