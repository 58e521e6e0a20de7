// First values of parameters and optimizer states.
#pragma once

#include <cstdint>

#include "executor/runtime/runtime.h"

namespace tidemark {

/// Draws every parameter from its Initializer. A number depends on (seed, parameter's name, element)
/// alone, so it is the same under any plan and in any order. bf16 parameters are roundings of their
/// masters. Optimizer states start at zero.
void initialize_parameters(Runtime& runtime, uint64_t seed);

}  // namespace tidemark
