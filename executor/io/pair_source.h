// A corpus of pairs: a source to read and a target to predict.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "executor/io/batch.h"

namespace tidemark {

/// Pairs as tokens, laid out as the model takes them: of a model of pairs (Model::pair_tokens) the source and
/// its end, and apart from it the start, the target and its end; of a language model one sequence of the
/// source, a tab and the target, in which only the target and its end are predicted.
class PairSource {
 public:
  /// A UTF-8 text with the pair "source<TAB>target" on every line, one token per byte. Throws Error naming
  /// the line that is no pair.
  PairSource(const std::string& path, const Model& model);

  /// 512 random pairs of 1 to `longest` tokens a side, the same ones every time: for measurements, in which
  /// the tokens do not matter. (Of a language model, of together no more.)
  static PairSource synthetic(const Model& model, int64_t longest);

  struct Pair {
    Piece source;
    Piece target;        ///< its length is 0 where the source has it all
    int64_t prompt = 0;  ///< tokens before the target in the sequence that it is predicted in
  };
  int64_t size() const { return static_cast<int64_t>(pairs_.size()); }
  const Pair& operator[](int64_t i) const { return pairs_[static_cast<size_t>(i)]; }
  /// Whether sources and targets are sequences of their own.
  bool apart() const { return apart_; }

  /// What stands at place i of a piece, and what is to be predicted there: -100 for nothing. Past the last
  /// piece there are tokens without meaning.
  int32_t token(int64_t i) const;
  int32_t label(int64_t i) const;
  int64_t end() const { return static_cast<int64_t>(tokens_.size()); }

  /// What pair i is made of, without what stands between and after them.
  std::span<const int32_t> source(int64_t i) const;
  std::span<const int32_t> target(int64_t i) const;
  /// What the target is predicted from, one after another: its start, of a language model after the source.
  std::span<const int32_t> prompt(int64_t i) const;
  int32_t end_token() const { return end_; }

  const std::string& path() const { return path_; }

 private:
  explicit PairSource(const Model& model);
  /// Where the target is predicted.
  const Piece& predicted(int64_t i) const { return apart_ ? (*this)[i].target : (*this)[i].source; }
  std::span<const int32_t> tokens(int64_t first, int64_t count) const;
  void add(std::span<const int32_t> source, std::span<const int32_t> target);

  std::string path_;
  bool apart_ = false;
  int32_t start_ = '\t', end_ = '\n';
  std::vector<int32_t> tokens_, labels_;
  std::vector<Pair> pairs_;
};

}  // namespace tidemark
