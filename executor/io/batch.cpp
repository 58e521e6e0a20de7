#include "executor/io/batch.h"

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "graph/ignored_label.h"

namespace tidemark {
namespace {

enum Stream : uint64_t { kOrder = 1, kOffset, kDocument, kCut };

std::span<int32_t> place(const BatchView& view, const char* name) {
  const auto found = view.find(name);
  return found == view.end() ? std::span<int32_t>() : found->second;
}

}  // namespace

void pack(std::span<Piece> pieces, const BatchView& view, const TokenAt& token, const TokenAt& label) {
  const auto ids = place(view, "input_ids"), labels = place(view, "labels");
  const auto positions = place(view, "position_ids"), cu_seqlens = place(view, "cu_seqlens");
  const auto batch_sizes = place(view, "batch_sizes");
  size_t row = 0;
  const auto put = [&](const Piece& piece, int64_t k) {
    if (row >= ids.size()) throw InternalError("pack: more tokens than the batch holds");
    ids[row] = token(piece.start + k);
    if (!labels.empty())
      labels[row] = piece.ends && k + 1 == piece.length ? kIgnoredLabel : label(piece.start + k);
    if (!positions.empty()) positions[row] = static_cast<int32_t>(k);
    ++row;
  };
  if (!cu_seqlens.empty()) {
    if (pieces.size() >= cu_seqlens.size()) throw InternalError("pack: more sequences than cu_seqlens holds");
    size_t sequence = 0;
    for (const Piece& piece : pieces) {
      cu_seqlens[sequence++] = static_cast<int32_t>(row);
      for (int64_t k = 0; k < piece.length; ++k) put(piece, k);
    }
    for (; sequence < cu_seqlens.size(); ++sequence) cu_seqlens[sequence] = static_cast<int32_t>(row);
  } else {
    std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
      return a.length != b.length ? a.length > b.length : a.start < b.start;
    });
    if (!pieces.empty() && pieces.front().length > static_cast<int64_t>(batch_sizes.size()))
      throw InternalError("pack: a sequence longer than batch_sizes");
    for (size_t k = 0; k < batch_sizes.size(); ++k) {
      int32_t running = 0;
      for (const Piece& piece : pieces) {
        if (piece.length <= static_cast<int64_t>(k)) break;
        put(piece, static_cast<int64_t>(k));
        ++running;
      }
      batch_sizes[k] = running;
    }
  }
  if (row != ids.size()) throw InternalError("pack: fewer tokens than the batch holds");
}

PairViews pair_views(const BatchView& view) {
  PairViews sides;
  for (const char* name : {"input_ids", "position_ids", "cu_seqlens"}) {
    sides.source[name] = place(view, name);
    sides.target[name] = place(view, ("decoder_" + std::string(name)).c_str());
  }
  sides.target["labels"] = place(view, "labels");
  return sides;
}

BatchMaker::BatchMaker(std::shared_ptr<const TokenSource> source, const BatchSpec& spec,
                       const BatchOptions& options)
    : source_(std::move(source)), spec_(spec), options_(options) {
  const auto bad = [&](const std::string& why, const std::string& remedy) {
    return Error("cannot make batches", source_->path(), why, remedy);
  };
  if (source_->size() <= spec.max_length)
    throw bad("its " + std::to_string(source_->size()) + " tokens are too few for a sequence of " +
                  std::to_string(spec.max_length) + " and what follows it",
              "give more text or a smaller length");
  if (options.packing == Packing::windows && spec.tokens != spec.sequences * spec.max_length)
    throw bad(std::to_string(spec.sequences) + " windows of " + std::to_string(spec.max_length) +
                  " are not " + std::to_string(spec.tokens) + " tokens",
              "make tokens their product");
  if (spec.tokens > spec.sequences * spec.max_length)
    throw bad(std::to_string(spec.sequences) + " sequences of at most " + std::to_string(spec.max_length) +
                  " cannot fill " + std::to_string(spec.tokens) + " tokens",
              "allow more or longer sequences");
  if (options.packing == Packing::documents) documents_ = source_->documents(options.unit, options.separator);
  pieces_.reserve(static_cast<size_t>(spec.sequences));
}

void BatchMaker::choose_windows(int64_t batch) {
  const uint64_t length = static_cast<uint64_t>(spec_.max_length);
  const uint64_t usable = static_cast<uint64_t>(source_->size()) - 1;  // the last token is only a label
  const uint64_t windows = usable / length, slack = usable % length;
  for (int64_t s = 0; s < spec_.sequences; ++s) {
    const uint64_t index = static_cast<uint64_t>(batch * spec_.sequences + s);
    const uint64_t epoch = index / windows;
    const uint64_t window = permuted(index % windows, windows, random_at({options_.seed, kOrder, epoch}));
    const uint64_t offset = random_at({options_.seed, kOffset, epoch}) % (slack + 1);
    pieces_.push_back({static_cast<int64_t>(offset + window * length), spec_.max_length, false});
  }
}

void BatchMaker::choose_documents(int64_t batch) {
  int64_t remaining = spec_.tokens;
  for (int64_t s = 0; remaining > 0; ++s) {
    const auto random = [&](Stream stream) {
      return random_at({options_.seed, stream, static_cast<uint64_t>(batch), static_cast<uint64_t>(s)});
    };
    const size_t document = random(kDocument) % documents_.size();
    const int64_t end = document + 1 < documents_.size() ? documents_[document + 1] : source_->size();
    Piece piece{documents_[document], end - documents_[document], false};
    const int64_t excess = piece.length - spec_.max_length;
    if (excess > 0) piece.start += static_cast<int64_t>(random(kCut) % static_cast<uint64_t>(excess + 1));
    // What the sequences still to come cannot hold must go into this one, which then runs on past the
    // document; two tokens at least, so that there is something to predict.
    const int64_t most = std::min(spec_.max_length, remaining);
    const int64_t later = (spec_.sequences - s - 1) * spec_.max_length;
    piece.length = std::clamp(piece.length, std::min(most, std::max<int64_t>(2, remaining - later)), most);
    piece.start = std::min(piece.start, source_->size() - piece.length);
    const int64_t next = piece.start + piece.length;
    piece.ends = next == source_->size() || std::binary_search(documents_.begin(), documents_.end(), next);
    remaining -= piece.length;
    pieces_.push_back(piece);
  }
}

std::span<const Piece> BatchMaker::pieces(int64_t step, int64_t micro_batch) {
  const int64_t batch = step * options_.micro_batches + micro_batch;
  pieces_.clear();
  if (options_.packing == Packing::windows)
    choose_windows(batch);
  else
    choose_documents(batch);
  return pieces_;
}

int64_t BatchMaker::batches_per_epoch() const {
  return std::max<int64_t>(1, (source_->size() - 1) / spec_.max_length * spec_.max_length / spec_.tokens);
}

void BatchMaker::fill(int64_t step, int64_t micro_batch, const BatchView& view) {
  pieces(step, micro_batch);
  const TokenSource& source = *source_;
  pack(
      pieces_, view, [&source](int64_t i) { return source[i]; },
      [&source](int64_t i) { return source[i + 1]; });
}

}  // namespace tidemark
