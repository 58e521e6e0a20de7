// A run's tensors as files know them: inputs by name, parameters and optimizer states as slots.
#pragma once

#include <string>
#include <vector>

#include "executor/io/batch.h"
#include "executor/io/checkpoint.h"
#include "executor/io/number_batch.h"
#include "executor/runtime/runtime.h"

namespace tidemark {

/// The i32 inputs of the runtime's graph.
BatchView input_view(const Runtime& runtime);

/// The inputs of a model of sequences of numbers.
NumberView number_view(const Runtime& runtime);

/// What a value is published as under a name (graph/stacked.h), where it lies.
std::vector<TensorSlot> published_slots(const Runtime& runtime, ValueId id, const std::string& name);

std::vector<TensorSlot> parameter_slots(const Runtime& runtime);
std::vector<TensorSlot> optimizer_slots(const Runtime& runtime);

/// Parameters from safetensors, each under `prefix` and its name, and master weights with all the bits that
/// the file has. Throws Error where one is missing or of another shape.
void load_parameters(const Runtime& runtime, const TensorReader& weights, const std::string& prefix = {});

}  // namespace tidemark
