// Random numbers that can be drawn in any order.
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>

namespace tidemark {

/// SplitMix64 (Steele et al. 2014) used as a hash: the i-th number of a stream without those before it.
constexpr uint64_t splitmix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// Random access to a random stream: one number for a chain of them.
constexpr uint64_t random_at(std::initializer_list<uint64_t> numbers) {
  uint64_t state = 0;
  for (const uint64_t number : numbers) state = splitmix64(state ^ number);
  return state;
}

/// In (0, 1), of 53 random bits.
constexpr double unit_interval(uint64_t random) {
  return (static_cast<double>(random >> 11) + 0.5) * 0x1p-53;
}

/// Place i of a random permutation of 0..n-1: a Feistel network over the next power of four, walked until
/// it lands below n (Black & Rogaway 2002).
constexpr uint64_t permuted(uint64_t i, uint64_t n, uint64_t key) {
  const int half = (std::bit_width(n) + 1) / 2;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  do {
    uint64_t left = i >> half, right = i & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t next = left ^ (random_at({key, round, right}) & mask);
      left = right;
      right = next;
    }
    i = left << half | right;
  } while (i >= n);
  return i;
}

}  // namespace tidemark
