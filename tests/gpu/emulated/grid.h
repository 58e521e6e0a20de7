// A kernel's launch: its blocks one after the other, and the warps of a block from barrier to barrier, both
// in an order that `seed` decides, so that what depends on an order does not come out the same twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/gpu/emulated/warp.h"

namespace tidemark::emulated {

struct Launch {
  const Function* function = nullptr;
  Dim grid, block;
  size_t dynamic_shared_bytes = 0;
  std::vector<std::byte> parameters;
};

/// Throws Fault, with the kernel and the line. Adds to `traffic` unless it is nullptr.
void run_grid(const Launch& launch, const DeviceMemory& memory, uint64_t seed, Traffic* traffic);

/// A mangled name as people read it.
std::string readable_name(const std::string& name);

}  // namespace tidemark::emulated
