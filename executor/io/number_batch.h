// Sequences of numbers with labels, and batches of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "executor/io/checkpoint.h"
#include "models/model.h"

namespace tidemark {

/// Sequences of vectors of numbers, and a label for each sequence or for each step.
class NumberSource {
 public:
  /// A safetensors file with `x` [sequences, length, columns], `labels` [sequences] or [sequences, length]
  /// and, where sequences are shorter than the longest, `lengths` [sequences]. Labels are classes from 0 on,
  /// or -100 for none. Throws Error naming the tensor that is not as `model` needs it.
  NumberSource(const std::string& path, const Model& model);

  /// 64 random sequences of `shortest` to `longest` steps, the same ones every time: for measurements, in
  /// which the numbers do not matter.
  static NumberSource synthetic(const Model& model, int64_t shortest, int64_t longest);

  int64_t size() const { return static_cast<int64_t>(starts_.size()) - 1; }
  int64_t columns() const { return columns_; }
  int64_t length(int64_t i) const { return start(i + 1) - start(i); }
  int64_t shortest() const;
  int64_t longest() const;
  std::span<const float> steps(int64_t i) const;
  bool labels_sequences() const { return labels_sequences_; }
  std::span<const int32_t> labels(int64_t i) const;  ///< one, or one per step
  const std::string& path() const { return path_; }

 private:
  NumberSource() = default;
  int64_t start(int64_t i) const { return starts_[static_cast<size_t>(i)]; }

  std::string path_;
  int64_t columns_ = 0;
  bool labels_sequences_ = false;
  std::vector<int64_t> starts_ = {0};
  std::vector<float> x_;
  std::vector<int32_t> labels_;
};

/// Where a batch's inputs go.
struct NumberView {
  TensorSlot x;  ///< [tokens, columns], f32 or bf16
  std::span<int32_t> labels;
  std::span<int32_t> cu_seqlens;
};

/// Fills batches exactly, without padding. What one holds depends on the seed and its number alone.
class NumberBatchMaker {
 public:
  /// With a seed: every sequence once per epoch, each time in a new order. Without: in the source's order,
  /// again from the start where it ends. Throws Error where a sequence is longer than spec.max_length, or
  /// spec.sequences of them may not fill spec.tokens.
  NumberBatchMaker(std::shared_ptr<const NumberSource> source, const BatchSpec& spec,
                   std::optional<uint64_t> seed);

  const NumberSource& source() const { return *source_; }

  /// A sequence that does not fit as a whole is cut, and where labels belong to sequences has none. Allocates
  /// nothing.
  void fill(int64_t batch, const NumberView& view) const;

 private:
  std::shared_ptr<const NumberSource> source_;
  BatchSpec spec_;
  std::optional<uint64_t> seed_;
};

}  // namespace tidemark
