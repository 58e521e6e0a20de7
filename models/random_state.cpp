#include "models/random_state.h"

#include <bit>
#include <numeric>
#include <utility>

namespace tidemark {

uint32_t RandomState::at_most(uint32_t most) {
  if (most == 0) return 0;
  const uint32_t mask = ~uint32_t{0} >> std::countl_zero(most);
  while (true) {
    const auto value = static_cast<uint32_t>(engine_()) & mask;
    if (value <= most) return value;
  }
}

void RandomState::permutation(std::span<int32_t> out) {
  std::iota(out.begin(), out.end(), 0);
  for (size_t i = out.size(); i-- > 1;) std::swap(out[i], out[at_most(static_cast<uint32_t>(i))]);
}

void RandomState::integers(int32_t low, int32_t high, std::span<int32_t> out) {
  const auto most = static_cast<uint32_t>(high - 1 - low);
  for (int32_t& value : out) value = low + static_cast<int32_t>(at_most(most));
}

}  // namespace tidemark
