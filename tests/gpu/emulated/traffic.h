// What a kernel asks of memory, as the hardware counts it: sectors of global memory of 32 bytes, and how
// often a request to shared memory waits for its banks. Times an interpreter cannot tell; these it can.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace tidemark::emulated {

struct Traffic {
  uint64_t launches = 0, instructions = 0;  ///< of warps
  uint64_t requests = 0, sectors = 0;       ///< of global memory
  uint64_t bytes = 0;                       ///< that lanes wanted of them, each byte once a request
  uint64_t shared_requests = 0,
           shared_passes = 0;  ///< passes: as many as there are if no banks are in the way

  /// Addresses of the lanes that take part, `each` bytes of every one.
  void global(const uint64_t* addresses, int lanes, size_t each);
  void shared(const uint64_t* addresses, int lanes, size_t each);
};

/// A table to standard error, by kernels, those with the most sectors first.
void print_traffic(const std::map<std::string, Traffic>& of_kernels);

}  // namespace tidemark::emulated
