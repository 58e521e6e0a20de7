// Random numbers that can be drawn in any order.
#pragma once

#include <cstdint>

namespace tidemark {

/// SplitMix64 (Steele et al. 2014) used as a hash: the i-th number of a stream without those before it.
constexpr uint64_t splitmix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace tidemark
