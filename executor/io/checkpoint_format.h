// What the writer and the reader of checkpoints share.
#pragma once

#include <boost/crc.hpp>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json_file.h"

namespace tidemark::checkpoint {

inline constexpr const char* kManifest = "checkpoint.json";
inline constexpr const char* kState = "training_state.json";
inline constexpr const char* kOptimizer = "optimizer.safetensors";
inline constexpr const char* kConfig = "config.json";
inline constexpr const char* kFormat = "tidemark-checkpoint";
inline constexpr int kVersion = 1;

/// {"bytes": …, "crc32": …} of a file, read in pieces: mapped, it would count as the process's memory.
inline nlohmann::json seal_of(const std::string& path, const std::string& what) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(1 << 16);
  boost::crc_32_type crc;
  uint64_t bytes = 0;
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())), file.gcount() > 0) {
    crc.process_bytes(piece.data(), static_cast<size_t>(file.gcount()));
    bytes += static_cast<uint64_t>(file.gcount());
  }
  if (!file.eof()) throw Error(what, path, "cannot be read", "check its permissions", ExitCode::failure);
  return {{"bytes", bytes}, {"crc32", crc.checksum()}};
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
