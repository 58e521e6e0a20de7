// Batches: sequences of a corpus packed into the input tensors of a training graph, no padding ever.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "executor/io/token_source.h"
#include "models/model.h"

namespace tidemark {

/// The graph's inputs by name, as places to write to. Which there are decides the layout: with
/// `cu_seqlens` (and `position_ids`) sequences stand one after another, with `batch_sizes` they are packed
/// by time. Others are left alone.
using BatchView = IntegerInputs;

/// A piece of consecutive tokens that makes one sequence.
struct Piece {
  int64_t start = 0;  ///< in the source of tokens
  int64_t length = 0;
  bool ends = false;  ///< its last token has no successor to predict
};

using TokenAt = std::function<int32_t(int64_t)>;

/// Writes the pieces one after another or, longest first, by time into `view`. `token(i)` is the id at
/// place i of the source, `label(i)` what stands there to be predicted. May reorder `pieces`; allocates
/// nothing.
/// Without a place for `labels` there are none.
void pack(std::span<Piece> pieces, const BatchView& view, const TokenAt& token, const TokenAt& label);

/// The inputs of a model of pairs (Model::pair_tokens) as those of its sources and of its targets alone: what
/// `pack` fills.
struct PairViews {
  BatchView source, target;
};
PairViews pair_views(const BatchView& view);

enum class Packing : uint8_t {
  windows,    ///< windows of exactly max_length tokens, each of the corpus once per epoch
  documents,  ///< documents drawn at random, cut at max_length; the batch is filled exactly
};

struct BatchOptions {
  Packing packing = Packing::windows;
  DocumentUnit unit = DocumentUnit::paragraph;  ///< of Packing::documents
  int32_t separator = -1;                       ///< of DocumentUnit::separator
  uint64_t seed = 0;
  int64_t micro_batches = 1;  ///< in a step
};

/// Fills batches. What a batch holds depends on the options and on (step, micro-batch) alone, so a resumed
/// run sees what an unbroken one would. Labels are the following tokens; -100 where a document ends.
class BatchMaker {
 public:
  /// Throws Error where the corpus is too short for one window, or the spec cannot be filled.
  BatchMaker(std::shared_ptr<const TokenSource> source, const BatchSpec& spec, const BatchOptions& options);

  /// `view` must hold the model's inputs at the spec's sizes. Allocates nothing.
  void fill(int64_t step, int64_t micro_batch, const BatchView& view);

  /// Batches that hold about as many tokens as the corpus: of windows, each of them at most once.
  int64_t batches_per_epoch() const;

  /// The sequences of that batch, in no particular order (for tests and reports).
  std::span<const Piece> pieces(int64_t step, int64_t micro_batch);

 private:
  void choose_windows(int64_t batch);
  void choose_documents(int64_t batch);

  std::shared_ptr<const TokenSource> source_;
  BatchSpec spec_;
  BatchOptions options_;
  std::vector<int64_t> documents_;
  std::vector<Piece> pieces_;  ///< reserved for spec.sequences
};

}  // namespace tidemark
