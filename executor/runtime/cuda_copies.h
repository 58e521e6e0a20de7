// Copies between the arena and the host's memory that run beside a plan's steps.
#pragma once

#include <array>
#include <set>

#include "executor/device/cuda_device.h"
#include "executor/runtime/cuda_memory.h"
#include "planner/plan.h"

namespace tidemark {

/// A stream for each direction, joined to the stream of the steps by events, so that a CUDA graph captured
/// from that stream holds the copies as well.
class CudaCopies {
 public:
  /// `plan` must outlive it; `arena` is where its buffers are. Throws Error (exit status 3) where the host
  /// cannot give that much memory pinned.
  CudaCopies(const Plan& plan, std::byte* arena, cudaStream_t steps);
  ~CudaCopies();
  CudaCopies(const CudaCopies&) = delete;
  CudaCopies& operator=(const CudaCopies&) = delete;

  void before(int32_t step);
  void behind(int32_t step);
  void join();  ///< at the end of a range of steps

  std::byte* host(int32_t host_buffer) const {
    return static_cast<std::byte*>(memory_.data()) + plan_.host_offsets[static_cast<size_t>(host_buffer)];
  }

 private:
  void start(const std::vector<int32_t>& transfers);
  void wait_for(const std::vector<int32_t>& transfers);

  const Plan& plan_;
  std::byte* arena_;
  cudaStream_t steps_;
  PinnedMemory memory_;
  std::vector<TransferPoint> points_;
  std::array<cudaStream_t, 2> streams_{};  // from the host, to it
  cudaEvent_t begin_ = nullptr;
  std::vector<cudaEvent_t> done_;  // of each transfer
  std::set<int32_t> running_;      // that the steps have not waited for yet
};

}  // namespace tidemark
