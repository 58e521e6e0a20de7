// Blocks of kScanChannels neighbouring channels: the tasks of scans, whose vectors hold channels.
#pragma once

#include "executor/cpu/simd.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;
using cpu::kScanChannels;

inline constexpr int kBlockVecs = kScanChannels / kLanes;

/// fn(i, width) for all vectors of a block, of which `channels` are there; the others have width Part{0}.
template <typename F>
inline void block_lanes(int64_t channels, F&& fn) {
  for (int64_t i = 0; i < kScanChannels; i += kLanes) {
    if (i + kLanes <= channels)
      fn(i, Full{});
    else
      fn(i, Part{static_cast<int>(i < channels ? channels - i : 0)});
  }
}

struct Block {
  int64_t first, channels;
};
/// Number `block` of so many channels.
inline Block block_of(int64_t all_channels, int64_t block) {
  const int64_t first = block * kScanChannels;
  return {first, smaller(kScanChannels, all_channels - first)};
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
