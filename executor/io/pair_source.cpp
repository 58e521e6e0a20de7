#include "executor/io/pair_source.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "graph/ignored_label.h"

namespace tidemark {
namespace {

constexpr const char* kWhat = "cannot read pairs";
std::vector<int32_t> bytes_of(std::string_view text) {
  std::vector<int32_t> ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

}  // namespace

PairSource::PairSource(const Model& model) {
  if (const auto tokens = model.pair_tokens()) {
    apart_ = true;
    start_ = static_cast<int32_t>(tokens->start);
    end_ = static_cast<int32_t>(tokens->end);
  }
}

PairSource::PairSource(const std::string& path, const Model& model) : PairSource(model) {
  path_ = path;
  if (model.vocabulary() < 256)
    throw Error(kWhat, path,
                "the model's vocabulary of " + std::to_string(model.vocabulary()) + " has not all bytes",
                "text is read as bytes: use a model with a vocabulary of 256");
  const MappedFile file(path, kWhat);
  if (const int64_t invalid = find_invalid_utf8(file.bytes()); invalid >= 0)
    throw Error(kWhat, path + ", byte " + std::to_string(invalid), "not UTF-8",
                "convert the text (iconv -t utf-8)");
  std::string_view rest(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  for (int64_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const size_t tab = line.find('\t');
    const auto refuse = [&](const char* why) {
      return Error(kWhat, path + ", line " + std::to_string(number), why,
                   "give every line as source, tab, target");
    };
    if (tab == std::string_view::npos) throw refuse("it has no tab");
    const std::string_view source = line.substr(0, tab), target = line.substr(tab + 1);
    if (target.find('\t') != std::string_view::npos) throw refuse("it has two tabs");
    if (source.empty()) throw refuse("its source is empty");
    if (target.empty()) throw refuse("its target is empty");
    add(bytes_of(source), bytes_of(target));
  }
  if (pairs_.empty()) throw Error(kWhat, path, "empty", "give a text with a pair on every line");
}

PairSource PairSource::synthetic(const Model& model, int64_t longest) {
  constexpr uint64_t kPairs = 512;
  PairSource pairs(model);
  pairs.path_ = "random pairs";
  const int64_t most = pairs.apart_ ? longest - 1 : (longest - 1) / 2;
  if (most < 1)
    throw Error(kWhat, pairs.path_, "a length of " + std::to_string(longest) + " holds no pair",
                "use a longer one");
  const auto draw = [&](uint64_t pair, uint64_t side) {
    std::vector<int32_t> ids(1 + random_at({1, pair, side}) % static_cast<uint64_t>(most));
    for (size_t k = 0; k < ids.size(); ++k)
      ids[k] =
          static_cast<int32_t>(random_at({2, pair, side, k}) % static_cast<uint64_t>(model.vocabulary()));
    return ids;
  };
  for (uint64_t i = 0; i < kPairs; ++i) pairs.add(draw(i, 0), draw(i, 1));
  return pairs;
}

void PairSource::add(std::span<const int32_t> source, std::span<const int32_t> target) {
  const auto put = [&](int32_t token, int32_t label) {
    tokens_.push_back(token);
    labels_.push_back(label);
  };
  const auto source_tokens = static_cast<int64_t>(source.size()),
             target_tokens = static_cast<int64_t>(target.size());
  Pair pair;
  pair.source = {end(), source_tokens + (apart_ ? 1 : 1 + target_tokens), false};
  pair.prompt = apart_ ? 1 : source_tokens + 1;
  for (const int32_t id : source) put(id, kIgnoredLabel);
  if (apart_) {
    put(end_, kIgnoredLabel);
    pair.target = {end(), target_tokens + 1, false};
  }
  put(start_, target[0]);
  for (size_t k = 0; k < target.size(); ++k) put(target[k], k + 1 < target.size() ? target[k + 1] : end_);
  pairs_.push_back(pair);
}

std::span<const int32_t> PairSource::tokens(int64_t first, int64_t count) const {
  return {tokens_.data() + first, static_cast<size_t>(count)};
}

std::span<const int32_t> PairSource::source(int64_t i) const {
  const Pair& pair = (*this)[i];
  return tokens(pair.source.start, apart_ ? pair.source.length - 1 : pair.prompt - 1);
}

std::span<const int32_t> PairSource::prompt(int64_t i) const {
  return tokens(predicted(i).start, (*this)[i].prompt);
}

std::span<const int32_t> PairSource::target(int64_t i) const {
  const int64_t before = (*this)[i].prompt;
  return tokens(predicted(i).start + before, predicted(i).length - before);
}

int32_t PairSource::token(int64_t i) const {
  return i < end() ? tokens_[static_cast<size_t>(i)] : end_;
}

int32_t PairSource::label(int64_t i) const {
  return i < end() ? labels_[static_cast<size_t>(i)] : kIgnoredLabel;
}

}  // namespace tidemark
