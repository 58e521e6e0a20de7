// Element types as safetensors files name them, and their conversion to the executor's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "graph/types.h"

namespace tidemark {

/// All types of the format, so that any file's layout can be checked; only F64, F32, F16, BF16, I64, I32, U8
/// and BOOL can be read into tensors.
enum class StoredType : uint8_t {
  f32,
  f16,
  bf16,
  i64,
  i32,
  f64,
  i16,
  i8,
  u64,
  u32,
  u16,
  u8,
  boolean,
  f8_e4m3,
  f8_e5m2
};

int64_t size_of(StoredType type);
std::string_view name_of(StoredType type);  ///< "BF16"
std::optional<StoredType> stored_type_from(std::string_view name);
StoredType stored_type_of(DType dtype);  ///< the same bits

/// Converts `count` elements; floats round to the nearest, ties to even. False where there is no such
/// conversion or an integer does not fit into 32 bits; `in` and `out` need no alignment.
bool convert(StoredType from, const std::byte* in, DType to, std::byte* out, int64_t count);

/// Single numbers, as bit patterns. NaN stays NaN.
float float_from_half(uint16_t half);
uint16_t bfloat16_from(float value);

}  // namespace tidemark
