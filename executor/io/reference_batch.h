// The inputs of a reference file (tests/data/parity) as a batch without padding.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "executor/io/batch.h"
#include "executor/io/safetensors.h"

namespace tidemark {

struct ReferenceBatch {
  BatchSpec spec;
  std::map<std::string, std::vector<int32_t>> inputs;  ///< by the graph's input names
  std::vector<float> x;                                ///< its float input `x`, of models of numbers
};

/// Reads `input/…` as Hugging Face causal models take them (input_ids [B,L], labels not yet shifted unless
/// model.labels_are_shifted(), and either attention_mask or position_ids that restart at each packed
/// sequence), or as the recurrent ones do (x [B,L], labels already shifted, lengths [B]), or as density
/// models do (x [B,pixels] alone), or as models of sequences of numbers do (x [B,L,D], labels [B] or [B,L],
/// perhaps lengths [B]), or as models of pairs do (src [B,S], tgt_in and tgt_out [B,T], and src_pad and
/// tgt_pad, 1 where they are padded). Throws Error where they contradict each other.
ReferenceBatch reference_batch(const TensorReader& reference, const Model& model);

}  // namespace tidemark
