// What a device kernel is written in: the work of one group of lanes (a CUDA block), in phases.
//
// A kernel body is a function of (group, block index). All work in it stands in group.each(n, f), which runs
// f(0) … f(n - 1) in any order, or at once, and ends with a barrier; so the same text is right as a CUDA
// block and as a loop on the host, where the tests run it in both directions. Between phases, lanes meet in
// memory only: the arena's, or the group's shared scratch.
#pragma once

#include <cmath>
#include <cstdint>

#include "executor/cpu/bf16.h"

#ifdef __CUDACC__
#define TIDEMARK_HOST_DEVICE __host__ __device__
#define TIDEMARK_DEVICE __device__
#define TIDEMARK_DEVICE_INLINE __device__ __forceinline__
#define TIDEMARK_BODY [=] __device__
#define TIDEMARK_UNROLL _Pragma("unroll")
#else
#define TIDEMARK_HOST_DEVICE
/// Of what takes a group.
#define TIDEMARK_DEVICE
/// Of what takes registers of a caller by reference: they are in memory if it is called.
#define TIDEMARK_DEVICE_INLINE inline
/// Begins the lambda that is a kernel: it captures by value.
#define TIDEMARK_BODY [=]
/// Before a loop over arrays in registers, which have no addresses.
#define TIDEMARK_UNROLL
#endif

namespace tidemark::device {

TIDEMARK_HOST_DEVICE inline float to_float(float x) {
  return x;
}
TIDEMARK_HOST_DEVICE inline float from_bits(uint32_t bits) {
  union {
    uint32_t bits;
    float value;
  } u;
  u.bits = bits;
  return u.value;
}
TIDEMARK_HOST_DEVICE inline float to_float(Bf16 x) {
  return from_bits(static_cast<uint32_t>(x.bits) << 16);
}

TIDEMARK_HOST_DEVICE inline void store(float* at, float x) {
  *at = x;
}
/// To the nearest, ties to even; NaN stays NaN.
TIDEMARK_HOST_DEVICE inline void store(Bf16* at, float x) {
#ifdef __CUDA_ARCH__
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(at->bits) : "f"(x));
#else
  union {
    float value;
    uint32_t bits;
  } u;
  u.value = x;
  const bool nan = (u.bits & 0x7fffffff) > 0x7f800000;
  at->bits = static_cast<uint16_t>(nan ? u.bits >> 16 | 0x40 : (u.bits + 0x7fff + (u.bits >> 16 & 1)) >> 16);
#endif
}

/// Two of bf16, the first in the lower half, rounded as above.
TIDEMARK_HOST_DEVICE inline uint32_t bf16_pair(float first, float second) {
#ifdef __CUDA_ARCH__
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
  return both;
#else
  Bf16 low, high;
  store(&low, first);
  store(&high, second);
  return low.bits | static_cast<uint32_t>(high.bits) << 16;
#endif
}

/// Within 2 units in the last place of 2^x; on a GPU one instruction, of subnormal results zero.
TIDEMARK_HOST_DEVICE inline float fast_exp2(float x) {
#ifdef __CUDA_ARCH__
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
  return power;
#else
  return exp2f(x);
#endif
}
/// e^x to some 1e-6 of it where |x| < 20: its error is that of x times log2 e.
TIDEMARK_HOST_DEVICE inline float fast_exp(float x) {
  return fast_exp2(x * 1.44269504f);
}
/// In four instructions on a GPU, where a division to the last bit alone takes ten.
TIDEMARK_HOST_DEVICE inline float sigmoid(float x) {
#ifdef __CUDA_ARCH__
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(1.0f + fast_exp(-x)));
  return y;
#else
  return 1.0f / (1.0f + expf(-x));
#endif
}

struct Division {
  int64_t quotient, rest;
};
/// Of numbers that are not negative; in 32 bits where those will do, which is many times faster on a GPU.
TIDEMARK_HOST_DEVICE inline Division split(int64_t x, int64_t by) {
  if ((x | by) >> 32 != 0) return {x / by, x % by};
  const auto quotient = static_cast<uint32_t>(x) / static_cast<uint32_t>(by);
  return {quotient, static_cast<uint32_t>(x) - quotient * static_cast<uint32_t>(by)};
}

template <typename T>
TIDEMARK_HOST_DEVICE inline T smaller(T a, T b) {
  return a < b ? a : b;
}
template <typename T>
TIDEMARK_HOST_DEVICE inline T larger(T a, T b) {
  return a < b ? b : a;
}

/// The last sequence of cu_seqlens' `entries` that begins at or before `row`.
TIDEMARK_HOST_DEVICE inline int64_t sequence_at(const int32_t* cu_seqlens, int64_t entries, int64_t row) {
  int64_t low = 0, high = entries;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (cu_seqlens[middle] <= row)
      low = middle;
    else
      high = middle;
  }
  return low;
}

}  // namespace tidemark::device
