// What the writer and the reader of checkpoints share.
#pragma once

#include <boost/crc.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"

namespace tidemark::checkpoint {

inline constexpr const char* kManifest = "checkpoint.json";
inline constexpr const char* kState = "training_state.json";
inline constexpr const char* kOptimizer = "optimizer.safetensors";
inline constexpr const char* kConfig = "config.json";
inline constexpr const char* kFormat = "tidemark-checkpoint";
inline constexpr int kVersion = 1;

inline uint32_t crc32(std::span<const std::byte> bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

/// {"bytes": …, "crc32": …} of a file.
inline nlohmann::json seal_of(const std::string& path, const std::string& what) {
  const MappedFile file(path, what);
  return {{"bytes", file.bytes().size()}, {"crc32", crc32(file.bytes())}};
}

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
