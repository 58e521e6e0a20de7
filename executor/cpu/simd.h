// One vector of floats of the instruction set a *.simd.cpp file is compiled for, loaded from and stored
// as f32 or bf16. Tails are vectors, too, so an element's bits do not depend on where a range is cut.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "executor/cpu/bf16.h"

// An operation a line, so that the instruction sets can be compared.
// clang-format off
namespace tidemark::cpu::TIDEMARK_ISA_NS {

#if defined(__AVX512F__)

using Vec = __m512;
using IntVec = __m512i;
inline constexpr int kLanes = 16;

inline Vec broadcast(float x) { return _mm512_set1_ps(x); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm512_fnmadd_ps(a, b, c); }
/// NaN where the second operand is.
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec sqrt(Vec a) { return _mm512_sqrt_ps(a); }
inline Vec round_even(Vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT); }
inline Vec abs(Vec a) { return _mm512_abs_ps(a); }
inline Vec with_sign_of(Vec magnitude, Vec sign) {
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(
      _mm512_set1_epi32(INT32_MIN), _mm512_castps_si512(sign), _mm512_castps_si512(magnitude), 0xCA));
}
/// a < b ? x : y
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
inline Vec times_power_of_two(Vec a, Vec exponent) { return _mm512_scalef_ps(a, exponent); }
/// The same where the exponent is within [-126, 127]; otherwise anything.
inline Vec times_normal_power_of_two(Vec a, Vec exponent) { return times_power_of_two(a, exponent); }

inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline Vec load(const float* p, int n) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
}
inline void store(float* p, Vec v, int n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
}
/// Integers as floats, exact up to 2^24.
inline Vec load(const int32_t* p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }
inline Vec load(const int32_t* p, int n) {
  return _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << n) - 1), p));
}
/// The first n lanes; zero in the others.
inline Vec first_lanes(Vec v, int n) {
  return _mm512_maskz_mov_ps(static_cast<__mmask16>((1u << n) - 1), v);
}
inline Vec widen(__m256i half) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}
inline __m256i narrow(Vec v) {
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7fff));
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  const __m512i kept = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
}
inline Vec load(const Bf16* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline Vec load(const Bf16* p, int n) {
  return widen(_mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n) - 1), p));
}
inline void store(Bf16* p, Vec v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(v)); }
inline void store(Bf16* p, Vec v, int n) {
  _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1u << n) - 1), narrow(v));
}
inline float sum(Vec v) {
  const __m256 halves = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 q = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1));
  const __m128 d = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
inline float largest(Vec v) {
  const __m256 halves = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 q = _mm_max_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1));
  const __m128 d = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

#else

using Vec = __m256;
using IntVec = __m256i;
inline constexpr int kLanes = 8;

inline Vec broadcast(float x) { return _mm256_set1_ps(x); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm256_fnmadd_ps(a, b, c); }
/// NaN where the second operand is.
inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec sqrt(Vec a) { return _mm256_sqrt_ps(a); }
inline Vec round_even(Vec a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Vec abs(Vec a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
inline Vec with_sign_of(Vec magnitude, Vec sign) {
  const Vec bit = _mm256_set1_ps(-0.0f);
  return _mm256_or_ps(_mm256_andnot_ps(bit, magnitude), _mm256_and_ps(bit, sign));
}
/// a < b ? x : y
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
/// In two steps: either half of the exponent is a normal number.
inline Vec times_power_of_two(Vec a, Vec exponent) {
  const __m256i e = _mm256_cvtps_epi32(exponent);
  const __m256i e1 = _mm256_srai_epi32(e, 1);
  const __m256i e2 = _mm256_sub_epi32(e, e1);
  const __m256i bias = _mm256_set1_epi32(127);
  const Vec p1 = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(e1, bias), 23));
  const Vec p2 = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(e2, bias), 23));
  return _mm256_mul_ps(_mm256_mul_ps(a, p1), p2);
}
/// The same where the exponent is within [-126, 127]; otherwise anything.
inline Vec times_normal_power_of_two(Vec a, Vec exponent) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponent), _mm256_set1_epi32(127));
  return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23)));
}

inline __m256i first_lanes(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline Vec load(const float* p, int n) { return _mm256_maskload_ps(p, first_lanes(n)); }
inline void store(float* p, Vec v, int n) { _mm256_maskstore_ps(p, first_lanes(n), v); }
/// Integers as floats, exact up to 2^24.
inline Vec load(const int32_t* p) {
  return _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Vec load(const int32_t* p, int n) {
  return _mm256_cvtepi32_ps(_mm256_maskload_epi32(p, first_lanes(n)));
}
/// The first n lanes; zero in the others.
inline Vec first_lanes(Vec v, int n) { return _mm256_and_ps(v, _mm256_castsi256_ps(first_lanes(n))); }
inline Vec widen(__m128i half) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}
inline __m128i narrow(Vec v) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, odd), _mm256_set1_epi32(0x7fff));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  const __m256i upper = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}
inline Vec load(const Bf16* p) { return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline void store(Bf16* p, Vec v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(v)); }
inline Vec load(const Bf16* p, int n) {
  Bf16 lanes[kLanes] = {};
  std::memcpy(lanes, p, static_cast<size_t>(n) * sizeof(Bf16));
  return load(lanes);
}
inline void store(Bf16* p, Vec v, int n) {
  Bf16 lanes[kLanes];
  store(lanes, v);
  std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof(Bf16));
}
inline float sum(Vec v) {
  const __m128 q = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 d = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
inline float largest(Vec v) {
  const __m128 q = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 d = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

#endif

inline Vec zero() { return broadcast(0); }

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// How much of a vector a step of `lanes` covers.
struct Full {};
struct Part {
  int n;
};
template <typename T>
Vec load(const T* p, Full) {
  return load(p);
}
template <typename T>
Vec load(const T* p, Part part) {
  return load(p, part.n);
}
inline Vec first_lanes(Vec v, Full) { return v; }
inline Vec first_lanes(Vec v, Part part) { return first_lanes(v, part.n); }
template <typename T>
void store(T* p, Vec v, Full) {
  store(p, v);
}
template <typename T>
void store(T* p, Vec v, Part part) {
  store(p, v, part.n);
}

/// fn(i, width) for the vectors that begin at elements i of [begin, end).
template <typename F>
inline void lanes(int64_t begin, int64_t end, F&& fn) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) fn(i, Full{});
  if (i < end) fn(i, Part{static_cast<int>(end - i)});
}

inline float to_float(float x) { return x; }
inline float to_float(Bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

/// out[0, n) = in[0, n), between storage types.
template <typename In, typename Out>
inline void convert(const In* in, Out* out, int64_t n) {
  lanes(0, n, [&](int64_t i, auto w) { store(out + i, load(in + i, w), w); });
}

}  // namespace tidemark::cpu::TIDEMARK_ISA_NS
// clang-format on
