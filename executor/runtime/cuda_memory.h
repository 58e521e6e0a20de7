// A GPU's memory, and the host memory that it copies from and to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace tidemark {

/// One cudaMalloc, zeroed.
class DeviceArena {
 public:
  /// Throws Error (exit status 3) where the device cannot give `bytes`.
  explicit DeviceArena(int64_t bytes);
  ~DeviceArena();
  DeviceArena(const DeviceArena&) = delete;
  DeviceArena& operator=(const DeviceArena&) = delete;

  std::byte* data() const { return base_; }
  /// By how much the device's free memory shrank when the arena was allocated.
  int64_t measured_bytes() const { return measured_bytes_; }

 private:
  std::byte* base_ = nullptr;
  int64_t measured_bytes_ = 0;
};

/// Host memory that the device can copy from and to while the host goes on.
class PinnedMemory {
 public:
  PinnedMemory() = default;
  explicit PinnedMemory(size_t bytes);
  ~PinnedMemory();
  PinnedMemory(PinnedMemory&& other) noexcept : base_(std::exchange(other.base_, nullptr)) {}
  PinnedMemory& operator=(PinnedMemory&& other) noexcept {
    std::swap(base_, other.base_);
    return *this;
  }

  void* data() const { return base_; }

 private:
  void* base_ = nullptr;
};

}  // namespace tidemark
