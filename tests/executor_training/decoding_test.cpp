// Greedy decoding against asking for every candidate's loss, one sequence at a time.
#include "executor/training/decoding.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>

#include "base/error.h"
#include "executor/training/initialize.h"
#include "executor/training/state.h"
#include "planner/planner.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kVocabulary = 13, kLongest = 9, kPairs = 5;
constexpr int32_t kIgnored = -100;

std::unique_ptr<Model> small_model(const std::string& preset, const std::string& changes = "{}") {
  nlohmann::json config = model_from_preset(preset)->config();
  config["vocab_size"] = kVocabulary;
  config.merge_patch(nlohmann::json::parse(changes));
  return load_model(config, preset);
}

/// A forward pass whose parameters are those of every other one of the model.
struct Forward {
  explicit Forward(Graph g) : graph(std::move(g)) {
    PlanRequest request;
    request.strategy = "keep-all";
    request.device.threads = 1;
    request.times = analytic_times(graph, cpu_speed(1));
    plan = make_plan(graph, request).plan.value();
    runtime = std::make_unique<Runtime>(graph, plan);
    initialize_parameters(*runtime, 3);
    std::mt19937 random(2);
    std::normal_distribution<float> normal(0, 0.5f);  // or one token is the likeliest after all
    for (const TensorSlot& slot : parameter_slots(*runtime))
      for (int64_t i = 0; i < slot.type.shape.elements(); ++i)
        static_cast<float*>(slot.data)[i] += normal(random);
  }
  Graph graph;
  Plan plan;
  std::unique_ptr<Runtime> runtime;
};

/// The likeliest token after each prefix is the one whose loss is the least, in a batch of nothing else.
class OneByOne {
 public:
  OneByOne(const Model& model, const PairSource& pairs) : model_(model), pairs_(pairs) {}

  std::vector<int32_t> decode(int64_t pair) {
    std::vector<int32_t> sequence(pairs_.prompt(pair).begin(), pairs_.prompt(pair).end()), decoded;
    while (static_cast<int64_t>(sequence.size()) <= kLongest) {
      const int32_t next = likeliest(pair, sequence);
      if (next == pairs_.end_token()) break;
      sequence.push_back(next);
      decoded.push_back(next);
    }
    return decoded;
  }

 private:
  int32_t likeliest(int64_t pair, std::vector<int32_t>& sequence) {
    const auto own = static_cast<int64_t>(sequence.size());
    const int64_t source = pairs_.apart() ? pairs_[pair].source.length : own;
    std::unique_ptr<Forward>& forward = forwards_[{source, own}];
    if (!forward)
      forward = std::make_unique<Forward>(model_.build({.tokens = source,
                                                        .sequences = 1,
                                                        .max_length = std::max(source, own),
                                                        .inference = true,
                                                        .target_tokens = pairs_.apart() ? own : 0}));
    const BatchView inputs = input_view(*forward->runtime);
    BatchView side = inputs;
    if (pairs_.apart()) {
      PairViews sides = pair_views(inputs);
      std::vector<Piece> piece = {pairs_[pair].source};
      const auto token = [&](int64_t i) { return pairs_.token(i); };
      pack(piece, sides.source, token, token);
      side = sides.target;
    }
    const auto* loss = static_cast<const float*>(forward->runtime->data(forward->graph.outputs().front()));
    std::vector<float> losses;
    for (int32_t candidate = 0; candidate < kVocabulary; ++candidate) {
      std::vector<Piece> piece = {{0, own, false}};
      pack(
          piece, side, [&](int64_t i) { return sequence[static_cast<size_t>(i)]; },
          [&](int64_t i) { return i + 1 == own ? candidate : kIgnored; });
      forward->runtime->run_micro_batch();
      losses.push_back(*loss);
    }
    return static_cast<int32_t>(std::ranges::min_element(losses) - losses.begin());
  }

  const Model& model_;
  const PairSource& pairs_;
  std::map<std::pair<int64_t, int64_t>, std::unique_ptr<Forward>> forwards_;
};

class Decoding : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Presets, Decoding, ::testing::Values("transformer-tiny", "lstm-tiny", "mamba-tiny"),
                         [](const auto& preset) {
                           std::string name = preset.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(Decoding, FindsTheLikeliestTokens) {
  const auto model = small_model(GetParam());
  const PairSource pairs = PairSource::synthetic(*model, kLongest);
  constexpr int64_t rows = 60 * kLongest + 4;  // what is left over is a sequence, too
  BatchSpec spec{.tokens = rows, .sequences = 140, .max_length = kLongest, .inference = true};
  if (pairs.apart()) spec.target_tokens = rows;
  Forward forward(decoding_graph(*model, spec));
  const auto decoded = decode_greedily(*forward.runtime, spec, pairs);
  ASSERT_EQ(static_cast<int64_t>(decoded.size()), pairs.size());
  OneByOne one(*model, pairs);
  int64_t ended = 0, cut = 0;  // some of each
  for (int64_t i = 0; i < pairs.size(); ++i) {
    const std::vector<int32_t>& tokens = decoded[static_cast<size_t>(i)];
    int64_t& of_its_kind = tokens.size() + pairs.prompt(i).size() <= kLongest ? ended : cut;
    if (++of_its_kind <= kPairs) {
      EXPECT_EQ(tokens, one.decode(i)) << i;
    }
  }
  EXPECT_GE(ended, kPairs);
  EXPECT_GE(cut, kPairs);
  EXPECT_GT(std::set(decoded.begin(), decoded.end()).size(), 20u);
}

TEST(DecodingRefuses, WhatReadsAhead) {
  const auto model = small_model("gru-tiny", R"({"bidirectional": true})");
  EXPECT_THAT(message_of<Error>([&] { decoding_graph(*model, {.tokens = 4, .max_length = 4}); }),
              HasSubstr("bidirectional"));
}

/// By trying every edit.
int64_t fewest_edits(std::span<const int32_t> a, std::span<const int32_t> b) {
  if (a.empty() || b.empty()) return static_cast<int64_t>(std::max(a.size(), b.size()));
  const int64_t same = a[0] == b[0] ? 0 : 1;
  return std::min({fewest_edits(a.subspan(1), b.subspan(1)) + same, fewest_edits(a.subspan(1), b) + 1,
                   fewest_edits(a, b.subspan(1)) + 1});
}

TEST(EditDistance, IsTheFewestEdits) {
  const auto distance = [](const std::string& a, const std::string& b) {
    return edit_distance(std::vector<int32_t>(a.begin(), a.end()), std::vector<int32_t>(b.begin(), b.end()));
  };
  EXPECT_EQ(distance("kitten", "sitting"), 3);
  EXPECT_EQ(distance("", "abc"), 3);
  EXPECT_EQ(distance("abc", ""), 3);
  EXPECT_EQ(distance("", ""), 0);
  std::mt19937 random(2);
  for (int i = 0; i < 200; ++i) {
    std::vector<int32_t> a(random() % 6), b(random() % 6);
    for (auto* tokens : {&a, &b})
      for (int32_t& token : *tokens) token = static_cast<int32_t>(random() % 3);
    EXPECT_EQ(edit_distance(a, b), fewest_edits(a, b));
  }
}

class PairsToDecode : public ScratchTest {};

TEST_F(PairsToDecode, HaveErrorRatesOverTheirTargets) {
  const auto model = model_from_preset("transformer-tiny");
  const PairSource pairs(write("d.tsv", "a\tbcd\nef\tg\nh\tijkl\n"), *model);
  const ErrorRates rates = error_rates(pairs, {{'b', 'd'}, {'g'}, {'x', 'i', 'j', 'k', 'm'}});
  EXPECT_DOUBLE_EQ(rates.tokens, 3.0 / 8);  // one left out; one too many and one other
  EXPECT_DOUBLE_EQ(rates.targets, 2.0 / 3);
}

TEST_F(PairsToDecode, AreNamedWhereThereIsNoRoom) {  // wherever it stands in its batch
  const std::string file = write("d.tsv", "a\tb\nc\td\nlonger\te\n");
  for (const char* preset : {"transformer-tiny", "gru-tiny"}) {
    const auto model = model_from_preset(preset);
    BatchSpec spec{.tokens = 12, .sequences = 9, .max_length = 4, .inference = true};
    if (model->pair_tokens()) spec.target_tokens = 12;
    Forward forward(decoding_graph(*model, spec));
    const PairSource pairs(file, *model);
    EXPECT_THAT(message_of<Error>([&] { decode_greedily(*forward.runtime, spec, pairs); }),
                HasSubstr("pair 3"))
        << preset;
  }
}

TEST_F(PairsToDecode, KnowTheirParts) {
  const std::string file = write("d.tsv", "ab\tc\nd\tefg\n");
  for (const char* preset : {"transformer-tiny", "lstm-tiny"}) {
    const auto model = model_from_preset(preset);
    const PairSource pairs(file, *model);
    EXPECT_THAT(pairs.source(0), ElementsAre('a', 'b')) << preset;
    EXPECT_THAT(pairs.target(0), ElementsAre('c')) << preset;
    EXPECT_THAT(pairs.source(1), ElementsAre('d')) << preset;
    EXPECT_THAT(pairs.target(1), ElementsAre('e', 'f', 'g')) << preset;
    if (pairs.apart())
      EXPECT_THAT(pairs.prompt(1), ElementsAre('\t'));
    else
      EXPECT_THAT(pairs.prompt(1), ElementsAre('d', '\t'));
  }
}

}  // namespace
}  // namespace tidemark
