#include "executor/io/stored_type.h"

#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace tidemark {
namespace {

struct Named {
  std::string_view name;
  int64_t size;
};
constexpr std::array<Named, 15> kTypes = {{{"F32", 4},
                                           {"F16", 2},
                                           {"BF16", 2},
                                           {"I64", 8},
                                           {"I32", 4},
                                           {"F64", 8},
                                           {"I16", 2},
                                           {"I8", 1},
                                           {"U64", 8},
                                           {"U32", 4},
                                           {"U16", 2},
                                           {"U8", 1},
                                           {"BOOL", 1},
                                           {"F8_E4M3", 1},
                                           {"F8_E5M2", 1}}};

template <typename From, typename To, typename Function>
bool each(const std::byte* in, std::byte* out, int64_t count, Function function) {
  for (int64_t i = 0; i < count; ++i) {
    From from;
    std::memcpy(&from, in + i * static_cast<int64_t>(sizeof from), sizeof from);
    const To to = function(from);
    std::memcpy(out + i * static_cast<int64_t>(sizeof to), &to, sizeof to);
  }
  return true;
}

bool narrow(const std::byte* in, std::byte* out, int64_t count) {
  bool fits = true;
  each<int64_t, int32_t>(in, out, count, [&](int64_t value) {
    fits =
        fits && value >= std::numeric_limits<int32_t>::min() && value <= std::numeric_limits<int32_t>::max();
    return static_cast<int32_t>(value);
  });
  return fits;
}

}  // namespace

int64_t size_of(StoredType type) {
  return kTypes[static_cast<size_t>(type)].size;
}
std::string_view name_of(StoredType type) {
  return kTypes[static_cast<size_t>(type)].name;
}

std::optional<StoredType> stored_type_from(std::string_view name) {
  for (size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].name == name) return static_cast<StoredType>(i);
  return std::nullopt;
}

StoredType stored_type_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return StoredType::f32;
    case DType::bf16: return StoredType::bf16;
    case DType::i32: return StoredType::i32;
    case DType::u8: break;  // no op that can run has one
  }
  throw InternalError("stored_type_of: unknown dtype");
}

float float_from_half(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  const uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24 is exact
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  const uint32_t wide = exponent == 31 ? 0xffu : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

uint16_t bfloat16_from(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);  // quiet NaN
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

bool convert(StoredType from, const std::byte* in, DType to, std::byte* out, int64_t count) {
  if (from == stored_type_of(to)) {
    if (count > 0) std::memcpy(out, in, static_cast<size_t>(count * size_of(to)));
    return true;
  }
  const auto from_bfloat = [](uint16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(x) << 16); };
  const auto half_to_bfloat = [](uint16_t x) { return bfloat16_from(float_from_half(x)); };
  if (to == DType::f32 && from == StoredType::bf16) return each<uint16_t, float>(in, out, count, from_bfloat);
  if (to == DType::f32 && from == StoredType::f16)
    return each<uint16_t, float>(in, out, count, float_from_half);
  if (to == DType::f32 && from == StoredType::f64)
    return each<double, float>(in, out, count, [](double x) { return static_cast<float>(x); });
  if (to == DType::bf16 && from == StoredType::f32)
    return each<float, uint16_t>(in, out, count, bfloat16_from);
  if (to == DType::bf16 && from == StoredType::f16)
    return each<uint16_t, uint16_t>(in, out, count, half_to_bfloat);
  if (to == DType::i32 && from == StoredType::i64) return narrow(in, out, count);
  if (to == DType::i32 && (from == StoredType::u8 || from == StoredType::boolean))
    return each<uint8_t, int32_t>(in, out, count, [](uint8_t x) { return int32_t{x}; });
  return false;
}

}  // namespace tidemark
