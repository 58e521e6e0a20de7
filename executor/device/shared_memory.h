// How much shared memory a block may have, and what is chosen by it.
#pragma once

#include <cstddef>
#include <type_traits>

#include "executor/device/group.h"
#include "graph/cuda_workspace.h"

namespace tidemark::device {

using cuda::kLeastShared;
/// Bytes that a block may have where GPUs have much of it: on sm_80 163 KiB, on sm_90 more.
inline constexpr int kMostShared = (163 << 10) - cuda::kReductionShared;

/// Whether a GPU whose blocks have 99 KiB has as many of the kernel's on a multiprocessor, which has 100, as
/// there are registers for; each takes one more.
template <typename Kernel>
inline constexpr bool kFitsEverywhere = (Kernel::kShared + (1 << 10)) * Kernel::kBlocks <= 100 << 10;

/// run() gets a std::type_identity of Large, or of Small where that is a GPU for which it is too large.
template <typename Large, typename Small, typename Device, typename Run>
void with_room(const Device& device, const Run& run) {
  static_assert(Large::kShared <= kMostShared);
  if constexpr (!kFitsEverywhere<Large>) {
    static_assert(Small::kShared <= kLeastShared);
    if (device.shared_bytes() < kMostShared) return run(std::type_identity<Small>{});
  }
  run(std::type_identity<Large>{});
}

/// Where a block has its scratch: in its shared memory, or in the op's workspace.
struct SharedScratch {
  int64_t bytes;

  int64_t shared_bytes() const { return bytes; }
  template <typename T, typename Group>
  TIDEMARK_DEVICE T* of(Group& group, int64_t /*block*/) const {
    return group.template shared<T>();
  }
};
struct WorkspaceScratch {
  int64_t bytes;
  std::byte* workspace;

  int64_t shared_bytes() const { return 0; }
  template <typename T, typename Group>
  TIDEMARK_DEVICE T* of(Group& /*group*/, int64_t block) const {
    return reinterpret_cast<T*>(workspace + block * bytes);
  }
};
/// run(scratch) with the first if a block may have `bytes` of shared memory, or with the second:
/// cuda::spilled_scratch is what `workspace` has then.
template <typename Device, typename Run>
void with_scratch(const Device& device, int64_t bytes, void* workspace, const Run& run) {
  if (bytes <= device.shared_bytes())
    run(SharedScratch{bytes});
  else
    run(WorkspaceScratch{bytes, static_cast<std::byte*>(workspace)});
}

}  // namespace tidemark::device
