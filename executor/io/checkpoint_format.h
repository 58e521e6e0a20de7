// What the writer and the reader of checkpoints share.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json_file.h"
#include "executor/io/file_seal.h"

namespace tidemark::checkpoint {

inline constexpr const char* kManifest = "checkpoint.json";
inline constexpr const char* kState = "training_state.json";
inline constexpr const char* kOptimizer = "optimizer.safetensors";
inline constexpr const char* kConfig = "config.json";
inline constexpr const char* kFormat = "tidemark-checkpoint";
inline constexpr int kVersion = 1;

/// The manifest's checkpoints, oldest first: {"name": folder, "state": seal of its training_state.json}.
inline std::vector<nlohmann::json> read_manifest(const std::string& path, const std::string& what) {
  const nlohmann::json manifest = read_json(path, what);
  const auto bad = [&](const std::string& field, const std::string& why) {
    return Error(what, path + ", " + field, why, "restore the file, or name one of the step-… folders");
  };
  if (!manifest.is_object() || manifest.value("format", nlohmann::json()) != kFormat)
    throw bad("format", std::string("not '") + kFormat + "'");
  if (manifest.value("version", nlohmann::json()) != kVersion) throw bad("version", "not 1");
  const auto list = manifest.find("checkpoints");
  if (list == manifest.end() || !list->is_array() || list->empty()) throw bad("checkpoints", "none listed");
  for (const auto& entry : *list)
    if (!entry.is_object() || !entry.value("name", nlohmann::json()).is_string() || !entry.contains("state"))
      throw bad("checkpoints", "an entry has no name or state");
  return *list;
}

}  // namespace tidemark::checkpoint
