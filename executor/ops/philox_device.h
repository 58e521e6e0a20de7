// Random numbers by counter on a device.
#pragma once

#include "executor/device/group.h"

namespace tidemark::ops {

/// The four random words at a counter: Philox4x32-10 (Salmon et al. 2011).
struct PhiloxWords {
  uint32_t of[4];
};

TIDEMARK_HOST_DEVICE inline PhiloxWords philox4x32(uint32_t key0, uint32_t key1, uint64_t counter,
                                                   uint64_t site) {
  PhiloxWords x{{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                 static_cast<uint32_t>(site), static_cast<uint32_t>(site >> 32)}};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * x.of[0], b = uint64_t{0xCD9E8D57} * x.of[2];
    x = {{static_cast<uint32_t>(b >> 32) ^ x.of[1] ^ key0, static_cast<uint32_t>(b),
          static_cast<uint32_t>(a >> 32) ^ x.of[3] ^ key1, static_cast<uint32_t>(a)}};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return x;
}

}  // namespace tidemark::ops
