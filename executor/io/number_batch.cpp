#include "executor/io/number_batch.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "executor/io/safetensors.h"
#include "graph/ignored_label.h"

namespace tidemark {
namespace {

/// In [0, n).
int64_t random_below(uint64_t stream, uint64_t i, int64_t n) {
  return static_cast<int64_t>(random_at({stream, i}) % static_cast<uint64_t>(n));
}

Error bad(const std::string& path, const std::string& tensor, const std::string& why,
          const std::string& remedy) {
  return Error("cannot read the data", path + ", tensor '" + tensor + "'", why, remedy);
}

}  // namespace

NumberSource::NumberSource(const std::string& path, const Model& model)
    : path_(path), columns_(model.input_columns()), labels_sequences_(model.labels_sequences()) {
  const TensorReader reader(path);
  const std::vector<int64_t> shape = reader.require("x").shape;
  if (shape.size() != 3 || shape[2] != columns_)
    throw bad(path, "x", "not of shape [sequences, length, " + std::to_string(columns_) + "]",
              "give the model as many numbers at each step as its d_input says");
  if (shape[0] < 1 || shape[1] < 1)
    throw bad(path, "x", shape[0] < 1 ? "it has no sequences" : "its sequences have no steps",
              "give at least one sequence of one step");
  const int64_t sequences = shape[0], steps = shape[1];
  std::vector<int32_t> lengths(static_cast<size_t>(sequences), static_cast<int32_t>(steps));
  if (reader.has("lengths")) {
    lengths = reader.read_integers("lengths");
    const bool fit =
        static_cast<int64_t>(lengths.size()) == sequences &&
        std::all_of(lengths.begin(), lengths.end(), [&](int32_t n) { return n >= 1 && n <= steps; });
    if (!fit)
      throw bad(path, "lengths", "not one for each sequence, from 1 to " + std::to_string(steps),
                "leave out sequences without steps");
  }
  const std::vector<int32_t> labels = reader.read_integers("labels");
  if (static_cast<int64_t>(labels.size()) != (labels_sequences_ ? sequences : sequences * steps))
    throw bad(path, "labels",
              labels_sequences_ ? "not one for each sequence" : "not one for each step of each sequence",
              "give the labels that the model's 'pooling' asks for");
  for (const int32_t label : labels)
    if (label != kIgnoredLabel && (label < 0 || label >= model.vocabulary()))
      throw bad(path, "labels", std::to_string(label) + " is not a class",
                "give 0 to " + std::to_string(model.vocabulary() - 1) + ", or -100 for none");

  std::vector<float> all(static_cast<size_t>(sequences * steps * columns_));
  reader.read("x", {DType::f32, {sequences, steps, columns_}}, all.data());
  if (labels_sequences_) labels_ = labels;
  for (int64_t i = 0; i < sequences; ++i) {
    const int64_t n = lengths[static_cast<size_t>(i)];
    const auto keep = [&](const auto& from, int64_t width, auto& to) {
      const auto first = from.begin() + i * steps * width;
      to.insert(to.end(), first, first + n * width);
    };
    keep(all, columns_, x_);
    if (!std::all_of(x_.end() - n * columns_, x_.end(), [](float v) { return std::isfinite(v); }))
      throw bad(path, "x", "sequence " + std::to_string(i) + " has a number that is not finite",
                "clean the data: losses would not be finite either");
    if (!labels_sequences_) keep(labels, 1, labels_);
    starts_.push_back(starts_.back() + n);
  }
}

NumberSource NumberSource::synthetic(const Model& model, int64_t shortest, int64_t longest) {
  constexpr int64_t kSequences = 64;
  NumberSource source;
  source.path_ = "random numbers";
  source.columns_ = model.input_columns();
  source.labels_sequences_ = model.labels_sequences();
  for (int64_t i = 0; i < kSequences; ++i) {
    const auto key = static_cast<uint64_t>(i);
    source.starts_.push_back(source.starts_.back() + shortest + random_below(1, key, longest - shortest + 1));
  }
  const int64_t steps = source.starts_.back();
  for (int64_t i = 0; i < steps * source.columns_; ++i)
    source.x_.push_back(static_cast<float>(random_below(2, static_cast<uint64_t>(i), 2001) - 1000) * 1e-3f);
  for (int64_t i = 0; i < (source.labels_sequences_ ? kSequences : steps); ++i)
    source.labels_.push_back(
        static_cast<int32_t>(random_below(3, static_cast<uint64_t>(i), model.vocabulary())));
  return source;
}

int64_t NumberSource::shortest() const {
  int64_t least = length(0);
  for (int64_t i = 1; i < size(); ++i) least = std::min(least, length(i));
  return least;
}

int64_t NumberSource::longest() const {
  int64_t most = 0;
  for (int64_t i = 0; i < size(); ++i) most = std::max(most, length(i));
  return most;
}

std::span<const float> NumberSource::steps(int64_t i) const {
  return std::span(x_).subspan(static_cast<size_t>(start(i) * columns_),
                               static_cast<size_t>(length(i) * columns_));
}

std::span<const int32_t> NumberSource::labels(int64_t i) const {
  if (labels_sequences_) return std::span(labels_).subspan(static_cast<size_t>(i), 1);
  return std::span(labels_).subspan(static_cast<size_t>(start(i)), static_cast<size_t>(length(i)));
}

NumberBatchMaker::NumberBatchMaker(std::shared_ptr<const NumberSource> source, const BatchSpec& spec,
                                   std::optional<uint64_t> seed)
    : source_(std::move(source)), spec_(spec), seed_(seed) {
  const auto refuse = [&](const std::string& why, const std::string& remedy) {
    return Error("cannot make batches", source_->path(), why, remedy);
  };
  if (source_->longest() > spec.max_length)
    throw refuse("a sequence has " + std::to_string(source_->longest()) + " steps, a batch's at most " +
                     std::to_string(spec.max_length),
                 "use --length " + std::to_string(source_->longest()));
  if (source_->shortest() * spec.sequences < spec.tokens)
    throw refuse(std::to_string(spec.sequences) + " sequences of at least " +
                     std::to_string(source_->shortest()) + " steps may not fill " +
                     std::to_string(spec.tokens),
                 "allow more sequences, or shorter ones");
}

void NumberBatchMaker::fill(int64_t batch, const NumberView& view) const {
  int64_t row = 0;
  auto* const x = static_cast<std::byte*>(view.x.data);
  const int64_t columns = source_->columns();
  for (int64_t s = 0; s < spec_.sequences; ++s) {
    const auto place = static_cast<uint64_t>(batch * spec_.sequences + s);
    const auto all = static_cast<uint64_t>(source_->size());
    const uint64_t epoch = place / all, within = place % all;
    const auto i = static_cast<int64_t>(seed_ ? permuted(within, all, random_at({*seed_, epoch})) : within);
    const int64_t n = std::min(source_->length(i), spec_.tokens - row);
    view.cu_seqlens[static_cast<size_t>(s)] = static_cast<int32_t>(row);
    convert(StoredType::f32, std::as_bytes(source_->steps(i)).data(), view.x.type.dtype,
            x + row * columns * size_of(view.x.type.dtype), n * columns);
    const std::span<const int32_t> labels = source_->labels(i);
    if (source_->labels_sequences())
      view.labels[static_cast<size_t>(s)] = n == source_->length(i) ? labels[0] : kIgnoredLabel;
    else
      std::copy_n(labels.begin(), n, view.labels.begin() + row);
    row += n;
  }
  view.cu_seqlens[static_cast<size_t>(spec_.sequences)] = static_cast<int32_t>(row);
}

}  // namespace tidemark
