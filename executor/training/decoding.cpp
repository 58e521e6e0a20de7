#include "executor/training/decoding.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "base/divided.h"
#include "base/error.h"
#include "executor/training/state.h"
#include "graph/ignored_label.h"
#include "graph/op_def.h"

namespace tidemark {
namespace {

const Op& loss_op(const Graph& graph) {
  for (const Op& op : graph.ops())
    if (op.def->name == "linear_cross_entropy") return op;
  throw InternalError("no loss of tokens in the graph");
}

/// A batch of sequences with room for what is to come. What stands there meanwhile does not matter, since
/// models that decode read no later token, so nothing moves as sequences grow.
class Batch {
 public:
  Batch(Runtime& runtime, const BatchSpec& spec, const PairSource& pairs);

  /// Decodes pairs from `first` on, as many as there is room for.
  std::vector<std::vector<int32_t>> decode(int64_t first);

 private:
  int64_t choose(int64_t first) const;
  void pack_sources(int64_t first, int64_t count);
  void pack_prompts(int64_t first, int64_t count);
  int32_t likeliest(int64_t row) const;

  Runtime& runtime_;
  const BatchSpec& spec_;
  const PairSource& pairs_;
  BatchView source_, decoded_;
  int64_t rows_;  ///< of the sequences that are decoded
  int64_t room_;  ///< for each of them
  const float* logits_;
  int64_t vocabulary_;
  std::vector<int32_t> tokens_;  ///< of sequence s from s * room_ on
  std::vector<int32_t> places_;  ///< in tokens_, of each row
  std::vector<int32_t> row_of_;  ///< of each place
};

Batch::Batch(Runtime& runtime, const BatchSpec& spec, const PairSource& pairs)
    : runtime_(runtime), spec_(spec), pairs_(pairs) {
  const BatchView inputs = input_view(runtime);
  std::ranges::fill(inputs.at("labels"), kIgnoredLabel);
  decoded_ = inputs;
  if (pairs.apart()) {
    auto sides = pair_views(inputs);
    source_ = sides.source;
    decoded_ = sides.target;
  }
  rows_ = static_cast<int64_t>(decoded_.at("input_ids").size());
  room_ = std::min(spec.max_length, rows_);
  places_.resize(static_cast<size_t>(rows_));
  decoded_["labels"] = places_;
  const ValueId logits = runtime.graph().require("logits");
  logits_ = static_cast<const float*>(runtime.data(logits));
  vocabulary_ = runtime.graph().value(logits).type.shape[1];
}

/// How many pairs; rows that are left over must fit into the sequences that are, too.
int64_t Batch::choose(int64_t first) const {
  int64_t count = 0, sources = spec_.tokens;
  for (; first + count < pairs_.size(); ++count) {
    const int64_t pair = first + count, left = rows_ - (count + 1) * room_;
    if (static_cast<int64_t>(pairs_.prompt(pair).size()) > room_) break;
    if (pairs_[pair].source.length > spec_.max_length) break;
    if (pairs_.apart()) sources -= pairs_[pair].source.length;
    if (left < 0 || sources < 0) break;
    const int64_t most = pairs_.apart() ? std::max(left, sources) : left;
    if (count + 1 + divided(most, spec_.max_length) > spec_.sequences) break;
  }
  if (count == 0)
    throw Error("cannot decode", pairs_.path() + ", pair " + std::to_string(first + 1),
                "a batch has no room for it", "use a larger --length or --batch");
  return count;
}

void Batch::pack_sources(int64_t first, int64_t count) {
  std::vector<Piece> pieces;
  int64_t left = spec_.tokens;
  for (int64_t i = first; i < first + count; ++i) {
    pieces.push_back(pairs_[i].source);
    left -= pieces.back().length;
  }
  for (; left > 0; left -= pieces.back().length)
    pieces.push_back({pairs_.end(), std::min(left, spec_.max_length), false});
  const auto token = [&](int64_t i) { return pairs_.token(i); };
  pack(pieces, source_, token, token);
}

void Batch::pack_prompts(int64_t first, int64_t count) {
  tokens_.assign(static_cast<size_t>(rows_), pairs_.end_token());
  std::vector<Piece> pieces;
  for (int64_t s = 0; s < count; ++s) {
    std::ranges::copy(pairs_.prompt(first + s), tokens_.begin() + s * room_);
    pieces.push_back({s * room_, room_, false});
  }
  for (int64_t begin = count * room_; begin < rows_; begin += pieces.back().length)
    pieces.push_back({begin, std::min(rows_ - begin, spec_.max_length), false});
  pack(
      pieces, decoded_, [&](int64_t i) { return tokens_[static_cast<size_t>(i)]; },
      [](int64_t i) { return static_cast<int32_t>(i); });
  row_of_.resize(places_.size());
  for (size_t row = 0; row < places_.size(); ++row)
    row_of_[static_cast<size_t>(places_[row])] = static_cast<int32_t>(row);
}

int32_t Batch::likeliest(int64_t row) const {
  const float* const own = logits_ + row * vocabulary_;
  return static_cast<int32_t>(std::max_element(own, own + vocabulary_) - own);
}

std::vector<std::vector<int32_t>> Batch::decode(int64_t first) {
  const int64_t count = choose(first);
  if (pairs_.apart()) pack_sources(first, count);
  pack_prompts(first, count);
  struct Sequence {
    int64_t index, last;  ///< and the place of its last token
  };
  std::vector<Sequence> unfinished;
  for (int64_t s = 0; s < count; ++s)
    unfinished.push_back({s, s * room_ + static_cast<int64_t>(pairs_.prompt(first + s).size()) - 1});
  std::vector<std::vector<int32_t>> decoded(static_cast<size_t>(count));
  while (!unfinished.empty()) {
    runtime_.run_micro_batch();
    std::erase_if(unfinished, [&](Sequence& s) {
      const int32_t next = likeliest(row_of_[static_cast<size_t>(s.last)]);
      if (next == pairs_.end_token()) return true;
      decoded[static_cast<size_t>(s.index)].push_back(next);
      if (++s.last == (s.index + 1) * room_) return true;
      decoded_.at("input_ids")[static_cast<size_t>(row_of_[static_cast<size_t>(s.last)])] = next;
      return false;
    });
  }
  return decoded;
}

}  // namespace

Graph decoding_graph(const Model& model, const BatchSpec& batch) {
  if (!model.causal())
    throw Error("cannot decode", model.family(),
                "it reads sequences in both directions, so what it is to predict",
                "use a model whose config has \"bidirectional\": false");
  Graph graph = model.build(batch);
  const Op& loss = loss_op(graph);
  std::vector<ValueId> inputs = {loss.inputs[0], loss.inputs[1]};
  if (loss.inputs.size() > 3) inputs.push_back(loss.inputs[3]);  // the bias
  graph.mark_output(graph.add({.kind = "linear", .name = "logits", .inputs = std::move(inputs)}));
  return graph;
}

std::vector<std::vector<int32_t>> decode_greedily(Runtime& runtime, const BatchSpec& spec,
                                                  const PairSource& pairs) {
  Batch batch(runtime, spec, pairs);
  std::vector<std::vector<int32_t>> decoded;
  while (static_cast<int64_t>(decoded.size()) < pairs.size())
    std::ranges::move(batch.decode(static_cast<int64_t>(decoded.size())), std::back_inserter(decoded));
  return decoded;
}

int64_t edit_distance(std::span<const int32_t> a, std::span<const int32_t> b) {
  std::vector<int64_t> row(b.size() + 1);  // from the a so far to each beginning of b
  std::iota(row.begin(), row.end(), 0);
  for (const int32_t own : a) {
    int64_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const int64_t replaced = diagonal + (own == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

ErrorRates error_rates(const PairSource& pairs, const std::vector<std::vector<int32_t>>& decoded) {
  int64_t edits = 0, tokens = 0, wrong = 0;
  for (int64_t i = 0; i < pairs.size(); ++i) {
    const int64_t own = edit_distance(decoded[static_cast<size_t>(i)], pairs.target(i));
    edits += own;
    wrong += own > 0 ? 1 : 0;
    tokens += static_cast<int64_t>(pairs.target(i).size());
  }
  return {static_cast<double>(edits) / static_cast<double>(tokens),
          static_cast<double>(wrong) / static_cast<double>(pairs.size())};
}

}  // namespace tidemark
