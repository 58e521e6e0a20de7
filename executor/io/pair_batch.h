// Batches of pairs, packed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "executor/io/pair_source.h"

namespace tidemark {

/// Fills batches with whole pairs, as many as fit. Rows that are left over become sequences in which nothing
/// is to be predicted. What a batch holds depends on the seed and its number alone.
class PairBatchMaker {
 public:
  /// With a seed: pairs drawn at random. Without: every pair once, in the source's order, again from the
  /// start where it ends. Throws Error where a pair is longer than spec.max_length, or spec's tokens.
  PairBatchMaker(std::shared_ptr<const PairSource> source, const BatchSpec& spec,
                 std::optional<uint64_t> seed);

  const PairSource& source() const { return *source_; }

  /// Without a seed, those that hold every pair once; with one, those that hold about as many.
  int64_t batches_per_epoch() const;

  /// The pairs of a batch (for tests and reports).
  const std::vector<int64_t>& pairs(int64_t batch);

  /// `view` must hold the model's inputs at the spec's sizes. Allocates nothing.
  void fill(int64_t batch, const BatchView& view);

 private:
  /// Rows that a batch still has.
  struct Room {
    int64_t sequences, source, target;
  };
  Room room() const;
  /// Whether the pair fits, and then adds it. What is left over must fit, too.
  bool take(int64_t pair, Room& room);
  void choose_in_order(int64_t first);
  void choose_at_random(int64_t batch);
  void pack_side(const BatchView& view, std::vector<Piece>& pieces, int64_t rows) const;

  std::shared_ptr<const PairSource> source_;
  BatchSpec spec_;
  std::optional<uint64_t> seed_;
  std::vector<int64_t> first_pairs_;  ///< of each batch, without a seed
  std::vector<int64_t> pairs_;
  std::vector<Piece> sources_, targets_;
};

}  // namespace tidemark
