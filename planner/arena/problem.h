// The offset assignment problem as people state it, in MiniMalloc's terms (Moffitt 2023, "MiniMalloc: a
// lightweight memory allocator for hardware-accelerated machine learning").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::arena {

/// The most that all sizes together may be: sums of offsets and sizes stay below 2^63.
inline constexpr int64_t kMostBytes = int64_t{1} << 62;

/// Half-open.
struct Interval {
  int64_t lower = 0;
  int64_t upper = 0;
};

/// A time in which a buffer does not need all of its bytes.
struct Gap {
  Interval time;
  std::optional<Interval> window;  ///< bytes it needs even then, from its offset on; without: none
};

struct Buffer {
  std::string id;
  Interval time;          ///< its life, in any unit
  int64_t size = 0;       ///< bytes
  std::vector<Gap> gaps;  ///< by time, apart from each other, within `time`
};

/// Bytes that a buffer occupies for a while: one without gaps is one piece for life.
struct Piece {
  size_t buffer = 0;
  Interval time;
  Interval bytes;  ///< from the buffer's offset on
};

/// What is wrong with a buffer, empty if nothing is: a life or size that is not one, gaps that overlap.
std::string fault_of(const Buffer& buffer);
/// The same of the first that is wrong, or that all of them are too large for the solver's arithmetic.
std::string fault_of(const std::vector<Buffer>& buffers);

/// Those that occupy bytes, a buffer's one after the other.
std::vector<Piece> pieces_of(const std::vector<Buffer>& buffers);

/// The most bytes occupied at once, or the largest buffer: no arena that holds them all is smaller.
int64_t lower_bound(const std::vector<Buffer>& buffers);

}  // namespace tidemark::arena
