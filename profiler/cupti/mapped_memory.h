// Memory that programs map themselves (cuMemCreate, cuMemMap): the caching allocator's expandable segments,
// NCCL's buffers. CUPTI's records of memory say nothing of it, so the calls are followed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>

#include "profiler/cupti/cuda_events.h"

namespace tidemark {

/// Makes allocations and releases of the calls. What has a handle or a mapping takes memory: it counts from
/// when it was made until it has neither, once, at the address at which it was mapped first. What is never
/// mapped is not seen; what another process made is that one's.
class MappedMemory {
 public:
  using Sink = std::function<void(const CudaEvent&)>;

  explicit MappedMemory(Sink sink);

  /// `made`: where it lies, how large it is, when it was made, and who asked for it.
  void create(uint64_t handle, const CudaEvent& made);
  /// Of what is mapped at `address` there is a handle more.
  void retain(uint64_t address, uint64_t handle);
  void release(uint64_t handle, int64_t time_ns);
  void map(uint64_t address, int64_t bytes, uint64_t handle, int64_t time_ns);
  /// All that is mapped in [address, address + bytes).
  void unmap(uint64_t address, int64_t bytes, int64_t time_ns);

 private:
  struct Piece {
    CudaEvent made;
    int64_t handles = 0, mappings = 0;
    uint64_t place = 0;  ///< that it was told of at; 0: not yet
  };
  struct Mapping {
    uint64_t end = 0, piece = 0;
  };

  void tell(CudaEvent::Kind kind, const Piece& piece, int64_t time_ns);
  void move(Piece& piece, uint64_t place, int64_t time_ns);
  void drop_if_unused(uint64_t piece, int64_t time_ns);

  Sink sink_;
  uint64_t made_ = 0;                                ///< pieces so far
  uint64_t next_aside_;                              ///< address, see kAside
  std::unordered_map<uint64_t, Piece> pieces_;       ///< by number: handles come again
  std::unordered_map<uint64_t, uint64_t> piece_of_;  ///< by handle
  std::unordered_map<uint64_t, uint64_t> at_;        ///< by the place that they were told of at
  std::map<uint64_t, Mapping> mappings_;             ///< by address
};

}  // namespace tidemark
