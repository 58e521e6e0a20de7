// bfloat16 as a storage format: the upper half of a float, rounded to nearest even.
#pragma once

#include <cstdint>

namespace tidemark {

struct Bf16 {
  uint16_t bits;
};

}  // namespace tidemark
