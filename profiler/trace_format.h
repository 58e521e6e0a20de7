// The frames of a `.tide` file, shared by its writer and reader. docs/formats.md describes them.
#pragma once

#include <boost/crc.hpp>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tidemark::tide {

inline constexpr char kMagic[8] = {'T', 'I', 'D', 'E', 'M', 'A', 'R', 'K'};
inline constexpr uint32_t kVersion = 1;
inline constexpr size_t kFileHeaderBytes = 16;  ///< magic, version, 0

enum FrameType : uint32_t { kTables = 1, kRun = 2, kStep = 3 };

/// Little-endian, as every machine that Tidemark runs on.
struct FrameHeader {
  uint32_t type = 0;
  uint32_t bytes = 0;  ///< of the payload
  uint32_t crc = 0;    ///< CRC-32 of type, bytes and payload
};
static_assert(sizeof(FrameHeader) == 12);

inline uint32_t checksum(uint32_t type, std::span<const std::byte> payload) {
  boost::crc_32_type crc;
  const uint32_t head[2] = {type, static_cast<uint32_t>(payload.size())};
  crc.process_bytes(head, sizeof head);
  crc.process_bytes(payload.data(), payload.size());
  return crc.checksum();
}

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
