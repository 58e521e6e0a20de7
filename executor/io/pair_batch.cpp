#include "executor/io/pair_batch.h"

#include <algorithm>
#include <string>

#include "base/divided.h"
#include "base/error.h"
#include "base/random.h"

namespace tidemark {
namespace {

/// Draws in a row that find no room, after which a batch is full.
constexpr int kMisses = 64;

}  // namespace

PairBatchMaker::PairBatchMaker(std::shared_ptr<const PairSource> source, const BatchSpec& spec,
                               std::optional<uint64_t> seed)
    : source_(std::move(source)), spec_(spec), seed_(seed) {
  int64_t longest = 0;
  for (int64_t i = 0; i < source_->size(); ++i)
    longest = std::max({longest, (*source_)[i].source.length, (*source_)[i].target.length});
  const auto refuse = [&](const std::string& why, const std::string& remedy) {
    return Error("cannot make batches", source_->path(), why, remedy);
  };
  if (longest > spec.max_length)
    throw refuse("a pair has " + std::to_string(longest) + " tokens on a side, a batch's at most " +
                     std::to_string(spec.max_length),
                 "use --length " + std::to_string(longest));
  const auto sequences = static_cast<size_t>(spec.sequences);
  pairs_.reserve(sequences);
  sources_.reserve(sequences);
  targets_.reserve(sequences);
  for (int64_t i = 0; i < source_->size(); ++i) {
    Room all = room();
    pairs_.clear();
    if (!take(i, all))
      throw refuse("a batch has no room for pair " + std::to_string(i + 1), "use a larger --batch");
  }
  if (seed_) return;
  for (int64_t first = 0; first < source_->size(); first += static_cast<int64_t>(pairs_.size())) {
    first_pairs_.push_back(first);
    choose_in_order(first);
  }
}

PairBatchMaker::Room PairBatchMaker::room() const {
  const int64_t targets = spec_.target_tokens > 0 ? spec_.target_tokens : spec_.tokens;
  return {spec_.sequences, spec_.tokens, source_->apart() ? targets : 0};
}

bool PairBatchMaker::take(int64_t pair, Room& room) {
  const PairSource::Pair& p = (*source_)[pair];
  const Room left{room.sequences - 1, room.source - p.source.length, room.target - p.target.length};
  if (left.sequences < 0 || left.source < 0 || left.target < 0) return false;
  if (divided(std::max(left.source, left.target), spec_.max_length) > left.sequences) return false;
  room = left;
  pairs_.push_back(pair);
  return true;
}

void PairBatchMaker::choose_in_order(int64_t first) {
  pairs_.clear();
  Room left = room();
  while (first < source_->size() && take(first, left)) ++first;
}

void PairBatchMaker::choose_at_random(int64_t batch) {
  pairs_.clear();
  Room left = room();
  int misses = 0;
  for (uint64_t draw = 0; misses < kMisses; ++draw) {
    const uint64_t random = random_at({*seed_, static_cast<uint64_t>(batch), draw});
    const bool fits = take(static_cast<int64_t>(random % static_cast<uint64_t>(source_->size())), left);
    misses = fits ? 0 : misses + 1;
  }
}

const std::vector<int64_t>& PairBatchMaker::pairs(int64_t batch) {
  if (seed_)
    choose_at_random(batch);
  else
    choose_in_order(first_pairs_[static_cast<size_t>(batch) % first_pairs_.size()]);
  return pairs_;
}

int64_t PairBatchMaker::batches_per_epoch() const {
  if (!seed_) return static_cast<int64_t>(first_pairs_.size());
  int64_t sources = 0, targets = 0;
  for (int64_t i = 0; i < source_->size(); ++i) {
    sources += (*source_)[i].source.length;
    targets += (*source_)[i].target.length;
  }
  const Room all = room();
  return std::max({int64_t{1}, sources / all.source, all.target > 0 ? targets / all.target : 0});
}

void PairBatchMaker::pack_side(const BatchView& view, std::vector<Piece>& pieces, int64_t rows) const {
  for (const Piece& piece : pieces) rows -= piece.length;
  for (; rows > 0; rows -= pieces.back().length)
    pieces.push_back({source_->end(), std::min(rows, spec_.max_length), false});
  const PairSource& source = *source_;
  pack(
      pieces, view, [&source](int64_t i) { return source.token(i); },
      [&source](int64_t i) { return source.label(i); });
}

void PairBatchMaker::fill(int64_t batch, const BatchView& view) {
  pairs(batch);
  sources_.clear();
  targets_.clear();
  for (const int64_t i : pairs_) {
    sources_.push_back((*source_)[i].source);
    targets_.push_back((*source_)[i].target);
  }
  const Room all = room();
  if (!source_->apart()) return pack_side(view, sources_, all.source);
  const PairViews sides = pair_views(view);
  pack_side(sides.source, sources_, all.source);
  pack_side(sides.target, targets_, all.target);
}

}  // namespace tidemark
