// Rotary position embedding (Su et al., arXiv 2104.09864) and how published models stretch it to longer
// contexts, from the config keys that Hugging Face models use.
#pragma once

#include <vector>

#include "models/config.h"

namespace tidemark {

struct RopeFrequencies {
  std::vector<double> frequencies;  ///< head_dim/2 angles per position, in radians
  double scale = 1;                 ///< multiplies cosines and sines
};

/// Reads `rope_parameters` or, as older configs call it, `rope_scaling` with its `rope_type` or `type`:
/// default, linear (position interpolation, arXiv 2306.15595), dynamic (NTK-aware at the given length),
/// yarn (arXiv 2309.00071), llama3 (arXiv 2407.21783) and longrope (arXiv 2402.13753). `length` is that
/// of the longest sequence; it decides for dynamic and longrope alone.
RopeFrequencies rope_frequencies(const Config& config, int64_t head_dim, int64_t length);

}  // namespace tidemark
