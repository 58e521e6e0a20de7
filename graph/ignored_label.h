// What stands in labels where nothing is to be predicted.
#pragma once

#include <cstdint>

namespace tidemark {

inline constexpr int32_t kIgnoredLabel = -100;  ///< as in PyTorch

}  // namespace tidemark
