// The configurations that come with the program.
#pragma once

#include <map>
#include <string>

namespace tidemark {

/// Name to config.json text.
const std::map<std::string, std::string>& preset_configs();

}  // namespace tidemark
