// Neighbouring elements of a row that a lane reads or writes at once.
#pragma once

#include <cstring>
#include <type_traits>

#include "executor/device/group.h"

namespace tidemark::device {

template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Piece {
  /// bf16 lie in pairs, of which the first is the lower half: so they are moved and taken apart.
  static constexpr bool kPairs = std::is_same_v<T, Bf16> && kCount > 1;
  using Word = std::conditional_t<kPairs, uint32_t, T>;
  static constexpr int kWords = kPairs ? kCount / 2 : kCount;
  Word words[kWords];

  TIDEMARK_DEVICE_INLINE void to_floats(float (&x)[kCount]) const {
    TIDEMARK_UNROLL
    for (int i = 0; i < kWords; ++i) {
      if constexpr (kPairs) {
        x[2 * i] = from_bits(words[i] << 16);
        x[2 * i + 1] = from_bits(words[i] & 0xffff0000);
      } else {
        x[i] = to_float(words[i]);
      }
    }
  }
  TIDEMARK_DEVICE_INLINE void from_floats(const float (&x)[kCount]) {
    TIDEMARK_UNROLL
    for (int i = 0; i < kWords; ++i) {
      if constexpr (kPairs)
        words[i] = bf16_pair(x[2 * i], x[2 * i + 1]);
      else
        store(&words[i], x[i]);
    }
  }
  TIDEMARK_DEVICE_INLINE uint32_t bits(int word) const {
    uint32_t all;
    std::memcpy(&all, words + word, sizeof(all));
    return all;
  }
};

/// Whether pieces may begin at `at` and, in rows of `stride`, below it.
template <int kCount, typename T>
bool holds_pieces(const T* at, int64_t stride) {
  return reinterpret_cast<uintptr_t>(at) % sizeof(Piece<T, kCount>) == 0 && stride % kCount == 0;
}

template <int kCount, typename T>
TIDEMARK_DEVICE_INLINE Piece<T, kCount> load_piece(const T* at) {
#ifdef __CUDA_ARCH__
  return *reinterpret_cast<const Piece<T, kCount>*>(at);
#else
  Piece<T, kCount> piece;  // the memory holds another type
  std::memcpy(&piece, at, sizeof(piece));
  return piece;
#endif
}

/// To the arena, not to shared memory.
template <int kCount, typename T>
TIDEMARK_DEVICE_INLINE void store_piece(T* at, const Piece<T, kCount>& piece) {
#ifdef __CUDA_ARCH__
  // By assignment, the compiler often stores each word on its own.
  const size_t address = __cvta_generic_to_global(at);
  if constexpr (sizeof(piece) == 16)
    asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(address), "r"(piece.bits(0)),
                 "r"(piece.bits(1)), "r"(piece.bits(2)), "r"(piece.bits(3))
                 : "memory");
  else if constexpr (sizeof(piece) == 8)
    asm volatile("st.global.v2.b32 [%0], {%1, %2};" ::"l"(address), "r"(piece.bits(0)), "r"(piece.bits(1))
                 : "memory");
  else
    *reinterpret_cast<Piece<T, kCount>*>(at) = piece;
#else
  std::memcpy(at, &piece, sizeof(piece));
#endif
}
template <int kCount, typename T>
TIDEMARK_DEVICE_INLINE void store_piece(T* at, const float (&x)[kCount]) {
  Piece<T, kCount> piece;
  piece.from_floats(x);
  store_piece(at, piece);
}

}  // namespace tidemark::device
