// What a training run keeps from step to step, in bytes, and what is left of it on each of many devices.
#pragma once

#include <cstdint>

#include "graph/graph.h"

namespace tidemark {

/// Bytes of a model's states by kind, whether or not they are in memory all the time.
struct ModelStates {
  int64_t parameters = 0;
  int64_t gradients = 0;  ///< one of the parameter's dtype each
  int64_t optimizer = 0;  ///< moments and master weights
  int64_t total() const { return parameters + gradients + optimizer; }
};

/// Of a training graph with an optimizer.
ModelStates model_states(const Graph& training);

/// What data parallelism leaves replicated, and what it shards (ZeRO: Rajbhandari et al., SC 2020).
enum class ZeroStage : uint8_t {
  none,        ///< all replicated
  optimizer,   ///< stage 1
  gradients,   ///< stage 2: and gradients
  parameters,  ///< stage 3: and parameters
};

/// The largest share that one of `devices` holds. Throws Error if there are none.
ModelStates sharded_states(const ModelStates& states, ZeroStage stage, int64_t devices);

}  // namespace tidemark
