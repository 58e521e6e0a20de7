// What a kernel may address besides its block's memory: the emulated GPU's allocations, in the host's memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace tidemark::emulated {

class DeviceMemory {
 public:
  enum class Kind { device, pinned, managed };

  ~DeviceMemory();

  /// Aligned to 512 bytes, as cudaMalloc's are, and nothing next to it; nullptr where there is no room.
  void* allocate(size_t bytes, Kind kind);
  /// False where nothing begins there.
  bool release(void* memory);
  /// Whether all of it is of one allocation.
  bool holds(uint64_t address, uint64_t bytes) const {
    return (address >= last_begin_ && address + bytes <= last_end_) || find(address, bytes);
  }
  bool holds(const void* address, size_t bytes) const {
    return holds(reinterpret_cast<uint64_t>(address), bytes);
  }
  bool is_pinned(const void* address) const;

  size_t total_bytes() const;
  /// As cudaMemGetInfo says it: the GPU's memory is given out in pages.
  size_t free_bytes() const;

 private:
  struct Allocation {
    uint64_t end = 0;
    Kind kind = Kind::device;
    void* mapping = nullptr;
    size_t mapped = 0;
  };
  bool find(uint64_t address, uint64_t bytes) const;
  size_t paged_bytes(const Allocation& a, uint64_t begin) const;

  std::map<uint64_t, Allocation> allocations_;  ///< by where they begin
  mutable uint64_t last_begin_ = 1, last_end_ = 0;
};

}  // namespace tidemark::emulated
