// Orders and masks of the autoregressive models of images.
#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "base/json_file.h"
#include "executor/io/safetensors.h"
#include "models/model.h"
#include "models/random_state.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ints = std::vector<int32_t>;

/// The model's inputs of small integers, filled.
std::map<std::string, Ints> constants(const Model& model, int64_t draw) {
  const Graph graph = model.build({.tokens = 1, .sequences = 1, .max_length = 1});
  std::map<std::string, Ints> values;
  IntegerInputs inputs;
  for (ValueId id : graph.sources(Category::input)) {
    const Value& v = graph.value(id);
    if (v.type.dtype != DType::i32) continue;
    values[v.name].assign(static_cast<size_t>(v.type.shape.elements()), -1);
    inputs[v.name] = values[v.name];
  }
  model.fill_constants(draw, inputs);
  return values;
}

std::unique_ptr<Model> made(json fields) {
  fields["model_type"] = "made";
  return load_model(fields, "test");
}

// Numbers from NumPy 2.4.
TEST(RandomState, DrawsWhatNumPyDraws) {
  Ints order(10), numbers(8);
  RandomState random(42);
  random.permutation(order);
  EXPECT_THAT(order, ElementsAre(8, 1, 5, 0, 7, 2, 9, 4, 3, 6));
  random.integers(3, 20, numbers);
  EXPECT_THAT(numbers, ElementsAre(13, 13, 6, 10, 5, 4, 14, 8));
}

TEST(Made, HasTheMasksOfTheReference) {
  const std::string base = std::string(TIDEMARK_TEST_DATA) + "/parity/made";
  const auto model = load_model(read_json(base + ".json", "test")["config"], "made");
  const TensorReader reference(base + ".safetensors");
  ASSERT_EQ(model->ensemble_size(), 3);
  for (int64_t k = 0; k < 3; ++k)
    for (const auto& [name, degrees] : constants(*model, k)) {
      const std::string layer = name.substr(name.rfind('.'));
      EXPECT_EQ(degrees, reference.read_integers("extra/degrees" + std::to_string(k) + layer)) << k << name;
    }
}

TEST(Made, DrawsRepeatAndDiffer) {
  const auto model = made({{"input_dim", 30}, {"hidden_sizes", {20, 10}}, {"num_masks", 5}});
  EXPECT_EQ(constants(*model, 3), constants(*model, 8));
  EXPECT_NE(constants(*model, 3), constants(*model, 4));
}

// Whatever the weights, no output may depend on a pixel that is not before it: paths through the masks.
TEST(Made, EveryDrawIsAutoregressive) {
  const auto model = made({{"input_dim", 9}, {"hidden_sizes", {14, 11, 6}}, {"num_masks", 20}});
  for (int64_t draw = 0; draw < 20; ++draw) {
    auto degrees = constants(*model, draw);
    const Ints order = model->pixel_order(draw);
    for (size_t k = 0; k < order.size(); ++k) {
      // Units that a change of this pixel reaches, layer by layer.
      Ints reached = {degrees["degrees.0"][static_cast<size_t>(order[k])]};
      for (const char* layer : {"degrees.1", "degrees.2", "degrees.3"}) {
        Ints next;
        for (const int32_t d : degrees[layer])
          if (std::any_of(reached.begin(), reached.end(), [&](int32_t r) { return r <= d; }))
            next.push_back(d);
        reached = next;
      }
      for (size_t j = 0; j <= k; ++j)
        for (const int32_t r : reached)
          EXPECT_GE(r, degrees["degrees.0"][static_cast<size_t>(order[j])]) << draw;
    }
  }
}

TEST(Density, OrdersAreWhatTheConfigSays) {
  const auto order = [](const json& config) { return load_model(config, "test")->pixel_order(0); };
  EXPECT_THAT(order({{"model_type", "fvsbn"}, {"input_dim", 3}}), ElementsAre(0, 1, 2));
  EXPECT_THAT(order({{"model_type", "nade"}, {"input_dim", 3}, {"hidden_size", 2}, {"order", {2, 0, 1}}}),
              ElementsAre(2, 0, 1));
  Ints drawn = order({{"model_type", "nade"},
                      {"input_dim", 50},
                      {"hidden_size", 2},
                      {"ordering", "fixed random permutation"}});
  EXPECT_FALSE(std::is_sorted(drawn.begin(), drawn.end()));
  std::sort(drawn.begin(), drawn.end());
  for (int32_t i = 0; i < 50; ++i) EXPECT_EQ(drawn[static_cast<size_t>(i)], i);
  const auto fvsbn = load_model({{"model_type", "fvsbn"}, {"input_dim", 3}, {"order", {2, 0, 1}}}, "test");
  EXPECT_THAT(constants(*fvsbn, 0).at("positions"), ElementsAre(1, 2, 0));
}

TEST(Density, TriangularWeightsAreFreeBelowTheDiagonal) {
  EXPECT_EQ(model_from_preset("fvsbn-mnist")->free_parameter_count(), 307720);
  EXPECT_EQ(model_from_preset("made-mnist-1hl")->free_parameter_count(), 12552784);
}

TEST(Density, ConfigsThatCannotBeNameTheField) {
  const auto refused = [](const json& config) {
    return message_of<Error>([&] { load_model(config, "c.json"); });
  };
  EXPECT_THAT(refused({{"model_type", "fvsbn"}}), HasSubstr("c.json, input_dim: missing"));
  EXPECT_THAT(refused({{"model_type", "fvsbn"}, {"input_dim", 3}, {"order", {0, 1, 1}}}),
              HasSubstr("order: not a permutation"));
  EXPECT_THAT(refused({{"model_type", "fvsbn"}, {"input_dim", 3}, {"order", {0, 1, 3}}}),
              HasSubstr("order: 3 is out of range"));
  EXPECT_THAT(refused({{"model_type", "made"}, {"input_dim", 3}, {"hidden_sizes", json::array()}}),
              HasSubstr("hidden_sizes: it is empty"));
  EXPECT_THAT(refused({{"model_type", "made"}, {"input_dim", 3}, {"hidden_sizes", {4, -1}}}),
              HasSubstr("hidden_sizes: -1 is out of range"));
  EXPECT_THAT(refused({{"model_type", "made"}, {"input_dim", 1}, {"hidden_sizes", {4}}}),
              HasSubstr("input_dim: one pixel"));
  EXPECT_THAT(refused({{"model_type", "made"},
                       {"input_dim", 3},
                       {"hidden_sizes", {4}},
                       {"mask_seeds", {uint64_t{1} << 32}}}),
              HasSubstr("mask_seeds: 4294967296 is out of range"));
}

// One hidden unit whose degree is d lets pixels d + 1 and later see anything at all.
TEST(Made, AnOutputThatNoMaskConnectsIsRefused) {
  json fields = {
      {"model_type", "made"}, {"input_dim", 25}, {"hidden_sizes", {1}}, {"natural_ordering", true}};
  const auto least = [&] {
    json connected = fields;
    connected["direct_connection"] = true;
    return constants(*load_model(connected, "c.json"), 0).at("degrees.1")[0];
  };
  ASSERT_GT(least(), 0);  // with this seed
  EXPECT_THAT(message_of<Error>([&] { load_model(fields, "c.json"); }),
              HasSubstr("c.json, hidden_sizes: pixel 1 sees none of those before it"));
  fields["natural_ordering"] = false;
  fields["num_masks"] = 40;  // whatever its place is under one mask, it is a late one under another
  EXPECT_EQ(load_model(fields, "c.json")->ensemble_size(), 40);
}

}  // namespace
}  // namespace tidemark
