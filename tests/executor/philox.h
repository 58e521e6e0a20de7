// Philox4x32-10 once more, a counter at a time.
#pragma once

#include <array>
#include <cstdint>

namespace tidemark::test {

using Block = std::array<uint32_t, 4>;

/// Salmon et al. 2011, section 3.3, a round at a time.
inline Block philox(Block x, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = 0xD2511F53ull * x[0], p1 = 0xCD9E8D57ull * x[2];
    x = {static_cast<uint32_t>(p1 >> 32) ^ x[1] ^ key[0], static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ x[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return x;
}

}  // namespace tidemark::test
