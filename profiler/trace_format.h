// The frames of a `.tide` file, shared by its writer and reader. docs/formats.md describes them.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace tidemark::tide {

inline constexpr char kMagic[8] = {'T', 'I', 'D', 'E', 'M', 'A', 'R', 'K'};
inline constexpr uint32_t kVersion = 2;         ///< that is written; what is read, see Trace
inline constexpr uint32_t kOneFrame = 1;        ///< the version whose tables are one frame of JSON
inline constexpr size_t kFileHeaderBytes = 16;  ///< magic, version, 0

enum FrameType : uint32_t { kTables = 1, kRun = 2, kStep = 3, kTexts = 4, kProgram = 5, kBuffers = 6 };

/// Little-endian, as every machine that Tidemark runs on.
struct FrameHeader {
  uint32_t type = 0;
  uint32_t bytes = 0;  ///< of the payload
  uint32_t crc = 0;    ///< CRC-32 of type, bytes and payload
};
static_assert(sizeof(FrameHeader) == 12);

inline uint32_t checksum(uint32_t type, std::span<const std::byte> payload) {
  const uint32_t head[2] = {type, static_cast<uint32_t>(payload.size())};
  const uLong of_head = crc32_z(0, reinterpret_cast<const Bytef*>(head), sizeof head);
  // Of no bytes at a null pointer zlib gives the checksum of nothing at all.
  if (payload.empty()) return static_cast<uint32_t>(of_head);
  return static_cast<uint32_t>(
      crc32_z(of_head, reinterpret_cast<const Bytef*>(payload.data()), payload.size()));
}

/// To throw: what is wrong with the trace at `path`.
inline Error unreadable(const std::string& path, const std::string& why) {
  return {"cannot read the trace", path, why, "record it again with 'tidemark profile --out'"};
}

/// LEB128: seven bits a byte, the lowest first.
inline void put_varint(std::vector<std::byte>& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::byte>(value | 0x80));
  out.push_back(static_cast<std::byte>(value));
}

/// Takes varints from a payload. Where there is none, it gives zeros from then on and is no longer good().
class VarintReader {
 public:
  explicit VarintReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t next() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) break;
      const auto byte = static_cast<uint64_t>(bytes_[at_++]);
      value |= (byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value;
    }
    at_ = bytes_.size();
    good_ = false;
    return 0;
  }
  bool good() const { return good_; }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  bool good_ = true;
};

/// The fixed part of a kRun frame; the times follow as pairs of varints: the gap since the previous op's
/// end (the first: since start_ns), and the op's duration, nanoseconds.
struct RunHeader {
  int64_t training_step = 0;
  int64_t start_ns = 0;
  int32_t micro_batch = 0;
  int32_t first = 0;
  int32_t count = 0;
  int32_t reserved = 0;
};
static_assert(sizeof(RunHeader) == 32);

/// The payload of a kStep frame is a TrainingStep (trace.h) as it lies in memory.
inline constexpr size_t kStepBytes = 56;

}  // namespace tidemark::tide
