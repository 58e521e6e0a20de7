// A block's shared memory, which remembers who touched what since when: two threads that touch the same
// bytes, one of them writing, must have met at a barrier in between (or, of one warp, at bar.warp.sync).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidemark::emulated {

/// Who touches memory, and how many barriers it has passed: of its block, and of its warp.
struct Toucher {
  uint16_t thread;
  uint32_t phase, step;
};

class SharedMemory {
 public:
  /// Of a block that begins: it holds anything.
  void reset(size_t bytes);
  size_t size() const { return bytes_.size(); }

  /// Both throw Fault: outside, a race, or where a copy is still under way.
  const std::byte* read(uint64_t at, size_t bytes, const Toucher& who);
  void write(uint64_t at, const void* from, size_t bytes, const Toucher& who);
  /// cp.async: the bytes may change from now until land(), which comes with the wait of the one who began it.
  void begin_copy(uint64_t at, size_t bytes, const Toucher& who);
  void land(uint64_t at, const void* from, size_t bytes, const Toucher& who);

 private:
  static constexpr uint16_t kNobody = 0xffff, kMany = 0xfffe;
  /// Of two bytes.
  struct Cell {
    uint32_t written_phase = 0, written_step = 0, read_phase = 0, read_step = 0;
    uint16_t writer = kNobody, reader = kNobody;
    bool copying = false;
  };
  [[noreturn]] void outside(uint64_t at, size_t bytes) const;
  void mark_written(uint64_t at, const void* from, size_t bytes, const Toucher& who);

  std::vector<std::byte> bytes_;
  std::vector<Cell> cells_;
};

}  // namespace tidemark::emulated
