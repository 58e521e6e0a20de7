#include "executor/io/pair_batch.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PairBatchTest : public ScratchTest {
 protected:
  std::string write(const std::string& text) const {
    write_text_file(path("d.tsv"), text, "test");
    return path("d.tsv");
  }
  std::shared_ptr<const PairSource> open(const std::string& text, const Model& model) const {
    return std::make_shared<PairSource>(write(text), model);
  }
  std::unique_ptr<Model> pairs =
      model_from_preset("transformer-tiny");  // starts with a tab, ends with a newline
  std::unique_ptr<Model> language = model_from_preset("lstm-tiny");
};

/// A batch's inputs.
struct Batch {
  Batch(const BatchSpec& spec, bool apart, bool by_time) {
    const auto input = [&](const std::string& name, int64_t n) {
      values[name].resize(static_cast<size_t>(n));
    };
    input("input_ids", spec.tokens);
    if (by_time) {
      input("batch_sizes", spec.max_length);
    } else {
      input("position_ids", spec.tokens);
      input("cu_seqlens", spec.sequences + 1);
    }
    if (apart) {
      input("decoder_input_ids", spec.target_tokens);
      input("decoder_position_ids", spec.target_tokens);
      input("decoder_cu_seqlens", spec.sequences + 1);
    }
    input("labels", apart ? spec.target_tokens : spec.tokens);
  }
  BatchView view() {
    BatchView view;
    for (auto& [name, ids] : values) view[name] = ids;
    return view;
  }
  std::map<std::string, std::vector<int32_t>> values;
};

TEST_F(PairBatchTest, SourcesAndTargetsAreSequencesOfTheirOwn) {
  const BatchSpec spec{.tokens = 8, .sequences = 4, .max_length = 5, .target_tokens = 7};
  Batch batch(spec, true, false);
  PairBatchMaker(open("ab\tc\nd\tefg", *pairs), spec, {}).fill(0, batch.view());
  EXPECT_THAT(batch.values["input_ids"], ElementsAre('a', 'b', '\n', 'd', '\n', '\n', '\n', '\n'));
  EXPECT_THAT(batch.values["cu_seqlens"], ElementsAre(0, 3, 5, 8, 8));
  EXPECT_THAT(batch.values["position_ids"], ElementsAre(0, 1, 2, 0, 1, 0, 1, 2));
  EXPECT_THAT(batch.values["decoder_input_ids"], ElementsAre('\t', 'c', '\t', 'e', 'f', 'g', '\n'));
  EXPECT_THAT(batch.values["labels"], ElementsAre('c', '\n', 'e', 'f', 'g', '\n', -100));
  EXPECT_THAT(batch.values["decoder_cu_seqlens"], ElementsAre(0, 2, 6, 7, 7));
}

TEST_F(PairBatchTest, ALanguageModelPredictsTargetsAlone) {
  const BatchSpec spec{.tokens = 10, .sequences = 3, .max_length = 5};
  Batch batch(spec, false, true);
  PairBatchMaker(open("ab\tc\nd\tefg\n", *language), spec, {}).fill(0, batch.view());
  EXPECT_THAT(batch.values["batch_sizes"], ElementsAre(3, 2, 2, 2, 1));
  EXPECT_THAT(batch.values["input_ids"], ElementsAre('d', 'a', '\n', '\t', 'b', 'e', '\t', 'f', 'c', 'g'));
  EXPECT_THAT(batch.values["labels"], ElementsAre(-100, -100, -100, 'e', -100, 'f', 'c', 'g', '\n', '\n'));
}

TEST_F(PairBatchTest, InOrderEveryPairOnceAndAtRandomWhatTheSeedSays) {
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += std::string(1 + i % 7, 'a') + "\t" + std::string(1 + i % 5, 'b') + "\n";
  const auto source = open(text, *pairs);
  const BatchSpec spec{.tokens = 30, .sequences = 20, .max_length = 8, .target_tokens = 24};
  PairBatchMaker in_order(source, spec, {});
  std::vector<int64_t> all;
  for (int64_t b = 0; b < in_order.batches_per_epoch(); ++b)
    for (const int64_t pair : in_order.pairs(b)) all.push_back(pair);
  ASSERT_EQ(all.size(), 40u);
  for (int64_t i = 0; i < 40; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], i);
  EXPECT_EQ(in_order.pairs(in_order.batches_per_epoch()), in_order.pairs(0));

  PairBatchMaker shuffled(source, spec, 3), again(source, spec, 3), other(source, spec, 4);
  EXPECT_EQ(shuffled.pairs(5), again.pairs(5));
  EXPECT_NE(shuffled.pairs(5), other.pairs(5));
  std::set<int64_t> drawn;
  for (int64_t b = 0; b < 60; ++b)
    for (const int64_t pair : shuffled.pairs(b)) drawn.insert(pair);
  EXPECT_EQ(drawn.size(), 40u);
}

TEST_F(PairBatchTest, WhatIsLeftOverIsLessThanAPair) {
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += std::string(1 + i % 7, 'a') + "\t" + std::string(1 + i % 5, 'b') + "\n";
  const auto source = open(text, *pairs);
  const BatchSpec spec{.tokens = 30, .sequences = 20, .max_length = 8, .target_tokens = 24};
  PairBatchMaker maker(source, spec, 3);
  for (int64_t b = 0; b < 20; ++b) {
    int64_t sources = 0, targets = 0;
    for (const int64_t i : maker.pairs(b)) {
      sources += (*source)[i].source.length;
      targets += (*source)[i].target.length;
    }
    EXPECT_LE(sources, 30);
    EXPECT_LE(targets, 24);
    EXPECT_TRUE(30 - sources < 2 || 24 - targets < 2 || maker.pairs(b).size() > 4)
        << sources << ", " << targets;
    Batch batch(spec, true, false);
    maker.fill(b, batch.view());  // throws where it does not fill every row
    EXPECT_EQ(batch.values["cu_seqlens"].back(), 30);
    EXPECT_EQ(batch.values["decoder_cu_seqlens"].back(), 24);
  }
}

TEST_F(PairBatchTest, SaysWhatIsWrongWithTheData) {
  const auto refusal = [&](const std::string& text) {
    return message_of<Error>([&] { PairSource(write(text), *pairs); });
  };
  EXPECT_THAT(refusal(""), HasSubstr("empty"));
  EXPECT_THAT(refusal("a\tb\nc\n"), HasSubstr("line 2: it has no tab"));
  EXPECT_THAT(refusal("a\tb\tc\n"), HasSubstr("line 1: it has two tabs"));
  EXPECT_THAT(refusal("a\tb\n\tc\n"), HasSubstr("line 2: its source is empty"));
  EXPECT_THAT(refusal("a\t\n"), HasSubstr("line 1: its target is empty"));
  EXPECT_THAT(refusal("a\tb\n\n"), HasSubstr("line 2: it has no tab"));
  EXPECT_THAT(refusal("a\t\xff\n"), HasSubstr("byte 2: not UTF-8"));

  const auto too_small = [&](const BatchSpec& spec) {
    return message_of<Error>([&] { PairBatchMaker(open("abc\td\n", *pairs), spec, {}); });
  };
  EXPECT_THAT(too_small({.tokens = 30, .sequences = 10, .max_length = 3, .target_tokens = 30}),
              HasSubstr("a pair has 4 tokens on a side, a batch's at most 3; use --length 4"));
  EXPECT_THAT(too_small({.tokens = 3, .sequences = 1, .max_length = 4, .target_tokens = 3}),
              HasSubstr("no room for pair 1; use a larger --batch"));
}

}  // namespace
}  // namespace tidemark
