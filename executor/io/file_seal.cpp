#include "executor/io/file_seal.h"

#include <boost/crc.hpp>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"

namespace tidemark {

nlohmann::json file_seal(const std::string& path, const std::string& what) {
  if (std::filesystem::is_directory(path)) {
    nlohmann::json seals = nlohmann::json::object();
    for (const auto& entry : std::filesystem::directory_iterator(path))
      if (entry.is_regular_file())
        seals[entry.path().filename().string()] = file_seal(entry.path().string(), what);
    return seals;
  }
  // Read in pieces: mapped, it would count as the process's memory.
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(1 << 16);
  boost::crc_32_type crc;
  uint64_t bytes = 0;
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())), file.gcount() > 0) {
    crc.process_bytes(piece.data(), static_cast<size_t>(file.gcount()));
    bytes += static_cast<uint64_t>(file.gcount());
  }
  if (!file.eof()) throw Error(what, path, std::strerror(errno), "check that it is there and may be read");
  return {{"bytes", bytes}, {"crc32", crc.checksum()}};
}

}  // namespace tidemark
