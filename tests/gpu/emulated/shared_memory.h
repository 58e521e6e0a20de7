// A block's shared memory, which remembers who touched what since when: two threads that touch the same
// bytes, one of them writing, must have met at a barrier in between (or, of one warp, at bar.warp.sync).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidemark::emulated {

/// Who touches memory, and how many barriers have gone by: of its block, never the same in two blocks of a
/// launch, and of its warp.
struct Toucher {
  uint16_t thread;
  uint16_t step;
  uint32_t phase;
};

class SharedMemory {
 public:
  /// Of a block that begins: it holds anything.
  void reset(size_t bytes);

  /// Both throw Fault: outside, a race, or where a copy is still under way.
  const std::byte* read(uint64_t at, size_t bytes, const Toucher& who) {
    if (at + bytes > bytes_.size() || at + bytes < at) outside(at, bytes);
    for (size_t c = at / kCell; c <= (at + bytes - 1) / kCell; ++c) {
      Cell& cell = cells_[c];
      if (cell.written.phase == who.phase || cell.copying) check_read(c, who);
      if (cell.read.phase != who.phase)
        cell.read = who;
      else if (cell.read.thread != kMany)
        add_reader(cell.read, who);
    }
    return bytes_.data() + at;
  }
  void write(uint64_t at, const void* from, size_t bytes, const Toucher& who);
  /// cp.async: the bytes may change from now until land(), which comes with the wait of the one who began it.
  void begin_copy(uint64_t at, size_t bytes, const Toucher& who);
  void land(uint64_t at, const void* from, size_t bytes, const Toucher& who);

 private:
  static constexpr size_t kCell = 2;
  static constexpr uint16_t kMany = 0xffff;
  /// Of kCell bytes: who touched them last. Phases begin with 1.
  struct Cell {
    Toucher written{}, read{};
    bool copying = false;
  };
  [[noreturn]] void outside(uint64_t at, size_t bytes) const;
  void check_read(size_t cell, const Toucher& who) const;
  static void add_reader(Toucher& last, const Toucher& who);
  void mark_written(uint64_t at, const void* from, size_t bytes, const Toucher& who);

  std::vector<std::byte> bytes_;
  std::vector<Cell> cells_;
};

}  // namespace tidemark::emulated
