#include "executor/runtime/cuda_memory.h"

#include <cuda_runtime_api.h>

#include "base/error.h"
#include "base/units.h"
#include "executor/device/cuda_device.h"

namespace tidemark {
namespace {

int64_t free_bytes() {
  size_t free = 0, total = 0;
  device::check_cuda(cudaMemGetInfo(&free, &total), "ask for the free memory");
  return static_cast<int64_t>(free);
}

}  // namespace

DeviceArena::DeviceArena(int64_t bytes) {
  const int64_t before = free_bytes();
  void* memory = nullptr;
  if (const cudaError_t status = cudaMalloc(&memory, static_cast<size_t>(bytes)); status != cudaSuccess)
    throw Error(
        "cannot allocate the arena", format_bytes(bytes),
        std::string(cudaGetErrorString(status)) + ", " + format_bytes(before) + " of the GPU are free",
        "plan with a --budget below that, a smaller batch, or on a larger GPU", ExitCode::failure);
  base_ = static_cast<std::byte*>(memory);
  measured_bytes_ = before - free_bytes();
  device::check_cuda(cudaMemset(memory, 0, static_cast<size_t>(bytes)), "clear the arena");
}

DeviceArena::~DeviceArena() {
  cudaFree(base_);
}

PinnedMemory::PinnedMemory(size_t bytes) {
  device::check_cuda(cudaMallocHost(&base_, bytes), "allocate pinned memory");
}

PinnedMemory::~PinnedMemory() {
  if (base_) cudaFreeHost(base_);
}

}  // namespace tidemark
