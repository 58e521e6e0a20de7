// What a model of pairs makes of a source, and how far that is from the target.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "executor/io/pair_source.h"
#include "executor/runtime/runtime.h"
#include "models/model.h"

namespace tidemark {

/// A forward pass with the logits of every token, as `logits`, among its outputs. Throws Error for a model
/// that reads what it is to predict.
Graph decoding_graph(const Model& model, const BatchSpec& batch);

/// For each pair the tokens after its prompt, always the likeliest next one, up to the one that ends a target
/// or to as many as `batch` has room for. `runtime` runs a decoding_graph for `batch` whose parameters are
/// filled. Throws Error where a source has no room.
std::vector<std::vector<int32_t>> decode_greedily(Runtime& runtime, const BatchSpec& batch,
                                                  const PairSource& pairs);

/// The fewest insertions, deletions and replacements that make b of a (Levenshtein 1966).
int64_t edit_distance(std::span<const int32_t> a, std::span<const int32_t> b);

struct ErrorRates {
  double tokens = 0;   ///< edits over the targets' tokens: of phonemes the phoneme error rate
  double targets = 0;  ///< share of targets that are not right whole: of words the word error rate
};
ErrorRates error_rates(const PairSource& pairs, const std::vector<std::vector<int32_t>>& decoded);

}  // namespace tidemark
