#include "executor/io/stored_type.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace tidemark {
namespace {

float widened(uint16_t bfloat) {
  return std::bit_cast<float>(static_cast<uint32_t>(bfloat) << 16);
}

TEST(StoredType, HalfIsWhatTheStandardSays) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const int sign = bits >> 15 ? -1 : 1;
    const int exponent = bits >> 10 & 31;
    const int mantissa = bits & 1023;
    const float value = float_from_half(static_cast<uint16_t>(bits));
    if (exponent == 31 && mantissa != 0) {
      EXPECT_TRUE(std::isnan(value)) << bits;
    } else if (exponent == 31) {
      EXPECT_EQ(value, sign * std::numeric_limits<float>::infinity());
    } else {
      const double expected =
          exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      EXPECT_EQ(static_cast<double>(value), sign * expected) << bits;
      EXPECT_EQ(std::signbit(value), sign < 0);
    }
  }
}

TEST(StoredType, BfloatRoundsToTheNearestTiesToEven) {
  std::mt19937 random(7);
  for (int i = 0; i < 200000; ++i) {
    uint32_t bits = random();
    if (i % 3 == 0) bits = (bits & 0xffff0000u) | 0x8000u;  // a tie
    const float value = std::bit_cast<float>(bits);
    const uint16_t rounded = bfloat16_from(value);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(widened(rounded)));
      continue;
    }
    // The two neighbours by truncation; the nearer must win, the even one where both are as near.
    const uint16_t low = static_cast<uint16_t>(bits >> 16), high = static_cast<uint16_t>(low + 1);
    const uint32_t rest = bits & 0xffffu;
    const uint16_t expected = rest < 0x8000u ? low : rest > 0x8000u ? high : low % 2 == 0 ? low : high;
    EXPECT_EQ(rounded, expected) << std::hex << bits;
  }
}

TEST(StoredType, ConvertsUnalignedData) {
  const std::vector<float> values = {1.5f, -2.25f, 3e38f, 0.1f};
  std::vector<std::byte> raw(values.size() * 4 + 1), out(values.size() * 2 + 1);
  std::memcpy(raw.data() + 1, values.data(), values.size() * 4);
  ASSERT_TRUE(convert(StoredType::f32, raw.data() + 1, DType::bf16, out.data() + 1, 4));
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t got;
    std::memcpy(&got, out.data() + 1 + 2 * i, 2);
    EXPECT_EQ(got, bfloat16_from(values[i]));
  }
}

TEST(StoredType, RefusesWhatDoesNotFit) {
  const int64_t wide[2] = {5, int64_t{1} << 31};
  int32_t out[2];
  const auto* in = reinterpret_cast<const std::byte*>(wide);
  EXPECT_TRUE(convert(StoredType::i64, in, DType::i32, reinterpret_cast<std::byte*>(out), 1));
  EXPECT_EQ(out[0], 5);
  EXPECT_FALSE(convert(StoredType::i64, in, DType::i32, reinterpret_cast<std::byte*>(out), 2));
  EXPECT_FALSE(convert(StoredType::u64, in, DType::f32, reinterpret_cast<std::byte*>(out), 1));
}

TEST(StoredType, DoublesRoundToTheNearest) {
  const double in[2] = {0.1, -1e-50};
  float out[2];
  EXPECT_TRUE(convert(StoredType::f64, reinterpret_cast<const std::byte*>(in), DType::f32,
                      reinterpret_cast<std::byte*>(out), 2));
  EXPECT_EQ(out[0], 0.1f);
  EXPECT_EQ(out[1], 0.0f);
}

TEST(StoredType, BytesAreNumbersWithoutSign) {
  const std::byte in[2] = {std::byte{200}, std::byte{1}};
  for (const StoredType type : {StoredType::u8, StoredType::boolean}) {
    int32_t out[2];
    EXPECT_TRUE(convert(type, in, DType::i32, reinterpret_cast<std::byte*>(out), 2));
    EXPECT_EQ(out[0], 200);
    EXPECT_EQ(out[1], 1);
  }
}

TEST(StoredType, NamesRoundTrip) {
  for (const char* name : {"F32", "F16", "BF16", "I64", "I32", "F64", "U8", "BOOL", "F8_E5M2"}) {
    ASSERT_TRUE(stored_type_from(name)) << name;
    EXPECT_EQ(name_of(*stored_type_from(name)), name);
  }
  EXPECT_FALSE(stored_type_from("F31"));
}

}  // namespace
}  // namespace tidemark
