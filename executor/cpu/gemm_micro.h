// The building blocks of matrix products: packing, and the register tile (Goto & van de Geijn 2008;
// Van Zee & van de Geijn 2015, BLIS). Used by gemm.simd.cpp, attention and the recurrent layers.
//
// Every element of a product is one chain of fused multiply-adds in the order of k, so its bits do not
// depend on how the product was cut into tiles.
#pragma once

#include "executor/cpu/simd.h"

namespace tidemark::cpu::TIDEMARK_ISA_NS {

#if defined(__AVX512F__)
inline constexpr int kTileRows = 14;
#else
inline constexpr int kTileRows = 6;
#endif
inline constexpr int kTileColumns = 2 * kLanes;  ///< width of a panel of packed B

/// What a product starts from: c[i * ld + j] (null: zero) + bias[j] (null: zero).
struct Start {
  const float* c = nullptr;
  int64_t ld = 0;
  const float* bias = nullptr;
};

/// c[M, n] = start + A[M, k] B[k, n], n <= kTileColumns. A(i, p) is a[i * lda + p] where kByRows, else
/// a[p * lda + i]. b is one packed panel.
template <int M, bool kByRows>
inline void register_tile(int64_t k, const float* a, int64_t lda, const float* b, float* c, int64_t ldc,
                          int n, const Start& start) {
  Vec acc[M][2];
  const auto each_half = [n](auto&& fn) {
    if (n == kTileColumns) {
      fn(0, Full{});
      fn(1, Full{});
    } else {
      fn(0, Part{n < kLanes ? n : kLanes});
      fn(1, Part{n < kLanes ? 0 : n - kLanes});
    }
  };
  if (start.c || start.bias) {
    each_half([&](int half, auto w) {
      const Vec bias = start.bias ? load(start.bias + half * kLanes, w) : zero();
#pragma GCC unroll 14
      for (int i = 0; i < M; ++i)
        acc[i][half] = start.c ? load(start.c + i * start.ld + half * kLanes, w) + bias : bias;
    });
  } else {
#pragma GCC unroll 14
    for (int i = 0; i < M; ++i) acc[i][0] = acc[i][1] = zero();
  }
  for (int64_t p = 0; p < k; ++p) {
    const Vec b0 = load(b);
    const Vec b1 = load(b + kLanes);
    b += kTileColumns;
#pragma GCC unroll 14
    for (int i = 0; i < M; ++i) {
      const Vec ai = broadcast(kByRows ? a[i * lda] : a[i]);
      acc[i][0] = fma(ai, b0, acc[i][0]);
      acc[i][1] = fma(ai, b1, acc[i][1]);
    }
    a += kByRows ? 1 : lda;
  }
  each_half([&](int half, auto w) {
#pragma GCC unroll 14
    for (int i = 0; i < M; ++i) store(c + i * ldc + half * kLanes, acc[i][half], w);
  });
}

/// The same for m <= kTileRows rows.
template <bool kByRows, int M = kTileRows>
inline void register_tile(int m, int64_t k, const float* a, int64_t lda, const float* b, float* c,
                          int64_t ldc, int n, const Start& start) {
  if constexpr (M > 1) {
    if (m < M) return register_tile<kByRows, M - 1>(m, k, a, lda, b, c, ldc, n, start);
  }
  register_tile<M, kByRows>(k, a, lda, b, c, ldc, n, start);
}

/// First row of register tile t of `tiles` nearly equal ones.
inline int64_t tile_start(int64_t m, int64_t tiles, int64_t t) {
  return m * t / tiles;
}
inline int64_t register_tiles(int64_t m) {
  return (m + kTileRows - 1) / kTileRows;
}

/// How A[m, k] lies: row-major, transposed (a is [k, m]), or as pack_columns packs it.
enum class Layout { rows, columns, panels };

/// c[m, n] = start + A[m, k] B[k, n]; b holds packed panels, one after another.
template <Layout kLayout>
inline void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, float* c,
                     int64_t ldc, const Start& start) {
  const int64_t tiles = register_tiles(m);
  const auto tile = [&](int64_t t, int64_t j) {
    const int64_t i = tile_start(m, tiles, t);
    const int rows = static_cast<int>(tile_start(m, tiles, t + 1) - i);
    const Start s{start.c ? start.c + i * start.ld + j : nullptr, start.ld,
                  start.bias ? start.bias + j : nullptr};
    const float* at = a + i * (kLayout == Layout::rows ? lda : kLayout == Layout::columns ? 1 : k);
    register_tile<kLayout == Layout::rows>(rows, k, at, kLayout == Layout::panels ? rows : lda, b + j * k,
                                           c + i * ldc + j, ldc,
                                           static_cast<int>(smaller(n - j, kTileColumns)), s);
  };
#if defined(__AVX512F__)
  // A panel of B fills the first-level cache: keep the rows of A there and stream B.
  for (int64_t t = 0; t < tiles; ++t)
    for (int64_t j = 0; j < n; j += kTileColumns) tile(t, j);
#else
  for (int64_t j = 0; j < n; j += kTileColumns)
    for (int64_t t = 0; t < tiles; ++t) tile(t, j);
#endif
}

inline __m256 load8(const float* p) {
  return _mm256_loadu_ps(p);
}
inline __m256 load8(const Bf16* p) {
  const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/// out[q * ld + r] = in[r * ldin + q] for 8 x 8 elements.
template <typename T>
inline void transpose8(const T* in, int64_t ldin, float* out, int64_t ld) {
  __m256 r[8], s[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = load8(in + i * ldin);
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xEE);
    r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(out + i * ld, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(out + (i + 4) * ld, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

/// Panels of B[k, n], B(p, j) = b[j * ldb + p]; columns past n are zero.
template <typename T>
inline void pack_transposed(const T* b, int64_t ldb, int64_t k, int64_t n, float* out) {
  for (int64_t j0 = 0; j0 < n; j0 += kTileColumns, out += k * kTileColumns) {
    const int64_t width = smaller(kTileColumns, n - j0);
    const int64_t width8 = width / 8 * 8, k8 = k / 8 * 8;
    for (int64_t j = 0; j < width8; j += 8)
      for (int64_t p = 0; p < k8; p += 8)
        transpose8(b + (j0 + j) * ldb + p, ldb, out + p * kTileColumns + j, kTileColumns);
    for (int64_t j = 0; j < width; ++j)
      for (int64_t p = j < width8 ? k8 : 0; p < k; ++p)
        out[p * kTileColumns + j] = to_float(b[(j0 + j) * ldb + p]);
    for (int64_t p = 0; width < kTileColumns && p < k; ++p)
      for (int64_t j = width; j < kTileColumns; ++j) out[p * kTileColumns + j] = 0;
  }
}

/// Rows that packing takes together: their cache lines stay at hand from one panel to the next.
inline constexpr int64_t kPackRows = 16;

/// Panels of B[k, n], B(p, j) = b[row(p) * ldb + j], row(p) = rows ? rows[p] : p; columns past n are zero.
template <typename T>
inline void pack_rows(const T* b, int64_t ldb, const int32_t* rows, int64_t k, int64_t n, float* out) {
  for (int64_t p0 = 0; p0 < k; p0 += kPackRows) {
    const int64_t p1 = smaller(p0 + kPackRows, k);
    for (int64_t j = 0; j < n; j += kTileColumns) {
      const int width = static_cast<int>(smaller(kTileColumns, n - j));
      for (int64_t p = p0; p < p1; ++p) {
        const T* row = b + (rows ? rows[p] : p) * ldb + j;
        float* const to = out + j * k + p * kTileColumns;
        if (width == kTileColumns) {
          store(to, load(row));
          store(to + kLanes, load(row + kLanes));
        } else {
          store(to, width < kLanes ? load(row, width) : load(row));
          store(to + kLanes, width > kLanes ? load(row + kLanes, width - kLanes) : zero());
        }
      }
    }
  }
}

/// The register tiles of A[m, k], A(i, p) = a[row(p) * lda + i], each as [k, its rows].
template <typename T>
inline void pack_columns(const T* a, int64_t lda, const int32_t* rows, int64_t m, int64_t k, float* out) {
  const int64_t tiles = register_tiles(m);
  for (int64_t p0 = 0; p0 < k; p0 += kPackRows) {
    const int64_t p1 = smaller(p0 + kPackRows, k);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t i = tile_start(m, tiles, t);
      const int width = static_cast<int>(tile_start(m, tiles, t + 1) - i);
      float* to = out + i * k + p0 * width;
      for (int64_t p = p0; p < p1; ++p, to += width) {
        const Vec v = load(a + (rows ? rows[p] : p) * lda + i, width);
        // A whole vector may reach the tile's next rows, still to be packed, but not the next tile.
        (k - p) * width >= kLanes ? store(to, v) : store(to, v, width);
      }
    }
  }
}

inline int64_t packed_elements(int64_t k, int64_t n) {
  return (n + kTileColumns - 1) / kTileColumns * kTileColumns * k;
}

}  // namespace tidemark::cpu::TIDEMARK_ISA_NS
