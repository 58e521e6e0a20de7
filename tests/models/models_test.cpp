#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json_file.h"
#include "executor/io/safetensors.h"
#include "graph/autodiff.h"
#include "graph/op_def.h"
#include "graph/serialize.h"
#include "models/model.h"

namespace tidemark {
namespace {

using nlohmann::json;

std::map<std::string, std::vector<int64_t>> shapes_of(const Model& model) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const ParameterSpec& parameter : model.parameters()) {
    auto& shape = shapes[parameter.name];
    for (int i = 0; i < parameter.shape.rank(); ++i) shape.push_back(parameter.shape[i]);
  }
  return shapes;
}

json with(const char* preset, const char* changes) {
  json config = model_from_preset(preset)->config();
  config.merge_patch(json::parse(changes));
  return config;
}

TEST(Models, PresetsHaveTheirPublishedSizes) {
  // Counted in the published implementations on the meta device.
  const std::map<std::string, int64_t> published = {{"llama2-7b", 6738415616},
                                                    {"llama2-13b", 13015864320},
                                                    {"llama2-70b", 68976648192},
                                                    {"rnn-ptb-medium", 14702600},
                                                    {"lstm-ptb-medium", 19780400},
                                                    {"lstm-ptb-large", 66034000},
                                                    {"gru-ptb-medium", 18087800},
                                                    {"fvsbn-mnist", 615440},
                                                    {"nade-mnist", 785284},
                                                    {"made-mnist-1hl", 12552784},
                                                    {"made-mnist-2hl", 77175440},
                                                    {"lru-smnist", 993034},
                                                    {"s4d-scifar", 201482},
                                                    {"retnet-1.3b", 1426495488},
                                                    {"retnet-2.7b", 2780618240},
                                                    {"retnet-6.7b", 6921531392},
                                                    {"rwkv-4-169m", 169342464},
                                                    {"rwkv-4-430m", 430397440},
                                                    {"rwkv-4-1b5", 1515106304},
                                                    {"rwkv-4-3b", 2984627200},
                                                    {"rwkv-4-7b", 7392649216},
                                                    {"rwkv-4-14b", 14148597760},
                                                    {"transformer-base", 63082496},
                                                    {"transformer-big", 214245376},
                                                    {"rwkv7-191m", 191034624},
                                                    {"rwkv7-0.4b", 450767872},
                                                    {"rwkv7-1.5b", 1527404544},
                                                    {"rwkv7-2.9b", 2947735040},
                                                    {"qwen2.5-0.5b", 494032768},
                                                    {"qwen2.5-1.5b", 1543714304},
                                                    {"moonlight-16b-a3b", 15960108544}};
  for (const auto& [name, count] : published)
    EXPECT_EQ(model_from_preset(name)->parameter_count(), count) << name;
  const int64_t demo = model_from_preset("llama-10m")->parameter_count();
  EXPECT_GT(demo, 9'500'000);
  EXPECT_LT(demo, 10'500'000);
}

TEST(Models, NamesAndShapesAreThoseOfTheReference) {
  for (const char* name : {"llama", "llama_packed", "rnn", "lstm", "gru", "fvsbn", "nade", "made", "lru",
                           "s4", "s4d", "retnet", "rwkv", "transformer", "rwkv7", "qwen2", "deepseek_v3"}) {
    const std::string base = std::string(TIDEMARK_TEST_DATA) + "/parity/" + name;
    const auto model = load_model(read_json(base + ".json", "test")["config"], name);
    std::map<std::string, std::vector<int64_t>> expected;
    const TensorReader reference(base + ".safetensors");
    for (const auto& [key, tensor] : reference.tensors())
      if (key.starts_with("weight/") && !key.ends_with("mask")) expected[key.substr(7)] = tensor.shape;
    EXPECT_EQ(shapes_of(*model), expected) << name;
  }
}

TEST(Models, EveryPresetTrains) {
  for (const std::string& name : preset_names()) {
    if (name == "llama2-70b") continue;  // as 7b, only longer
    SCOPED_TRACE(name);
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const auto model = model_from_preset(name);
      const Graph forward = model->build({.tokens = 24, .sequences = 4, .max_length = 9, .dtype = dtype});
      validate(forward);
      EXPECT_EQ(forward.value(forward.outputs().at(0)).name, "loss");
      const Graph training = make_training_graph(forward, {});
      validate(training);
      // Every parameter gets a gradient and is updated.
      std::set<ValueId> updated;
      for (const Op& op : training.ops())
        if (op.def->name == "adamw") updated.insert(op.inputs[0]);
      EXPECT_EQ(updated.size(), forward.trained_parameters().size());
    }
  }
}

// Experts are published one by one; what their choice is biased by is published, too, and has no gradient.
TEST(Models, ExpertsAreStackedAndTheirBiasIsNotTrained) {
  const auto model = model_from_preset("moonlight-tiny");
  const Graph graph = model->build({.tokens = 6, .sequences = 1, .max_length = 6, .dtype = DType::bf16});
  const std::string layer = "model.layers.1.mlp.";
  EXPECT_EQ(graph.value(graph.require(layer + "experts.*.up_proj.weight")).type.shape, (Shape{8, 24, 48}));
  const auto shapes = shapes_of(*model);
  EXPECT_EQ(shapes.at(layer + "experts.7.up_proj.weight"), (std::vector<int64_t>{24, 48}));
  EXPECT_EQ(shapes.count(layer + "experts.8.up_proj.weight"), 0u);
  const std::string bias = layer + "gate.e_score_correction_bias";
  EXPECT_EQ(shapes.at(bias), std::vector<int64_t>{8});
  EXPECT_EQ(graph.value(graph.require(bias)).type.dtype, DType::f32);
  const Graph training = make_training_graph(graph, {});
  EXPECT_NE(training.find(bias), kNone);
  EXPECT_EQ(training.find(bias + ".adam_m"), kNone);
  EXPECT_EQ(
      training.op(training.value(training.require(bias + ".sign_step")).producer).attributes.number("step"),
      0.001);
  const auto fixed = load_model(with("moonlight-tiny", R"({"bias_update_speed":0})"), "c");
  const Graph still = make_training_graph(fixed->build({.tokens = 6, .sequences = 1, .max_length = 6}), {});
  EXPECT_EQ(still.find(bias + ".sign_step"), kNone);
  int64_t published = 0;
  for (const ParameterSpec& p : model->parameters()) published += p.shape.elements();
  EXPECT_EQ(published, model->parameter_count() + 8);

  // Queries of a latent vector, as in the large model.
  const auto latent = shapes_of(*load_model(with("moonlight-tiny", R"({"q_lora_rank":16})"), "c"));
  EXPECT_EQ(latent.at("model.layers.0.self_attn.q_b_proj.weight"), (std::vector<int64_t>{80, 16}));
}

TEST(Models, LatentAttentionHasBiasesWhereTransformersHasThem) {
  const auto shapes =
      shapes_of(*load_model(with("moonlight-tiny", R"({"q_lora_rank":16,"attention_bias":true})"), "c"));
  const std::string attention = "model.layers.1.self_attn.";
  EXPECT_EQ(shapes.at(attention + "q_a_proj.bias"), std::vector<int64_t>{16});
  EXPECT_EQ(shapes.at(attention + "kv_a_proj_with_mqa.bias"), std::vector<int64_t>{24 + 8});
  EXPECT_EQ(shapes.at(attention + "o_proj.bias"), std::vector<int64_t>{48});
  for (const char* other : {"q_b_proj.bias", "kv_b_proj.bias"})
    EXPECT_EQ(shapes.count(attention + other), 0u) << other;
  const auto direct = shapes_of(*load_model(with("moonlight-tiny", R"({"attention_bias":true})"), "c"));
  EXPECT_EQ(direct.count(attention + "q_proj.bias"), 0u);
}

TEST(Models, ParametersDoNotDependOnTheBatch) {
  const auto model = model_from_preset("llama-tiny");
  const Graph graph = model->build({.tokens = 100, .sequences = 3, .max_length = 60, .dtype = DType::bf16});
  const auto parameters = model->parameters();
  const auto sources = graph.sources(Category::parameter);
  ASSERT_EQ(parameters.size(), sources.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    EXPECT_EQ(graph.value(sources[i]).name, parameters[i].name);
    EXPECT_EQ(graph.value(sources[i]).type.shape, parameters[i].shape);
    EXPECT_EQ(graph.value(sources[i]).type.dtype, DType::bf16);
  }
}

TEST(Models, LlamaVariants) {
  const auto plain = shapes_of(*model_from_preset("llama-tiny"));
  const auto tied = shapes_of(*load_model(with("llama-tiny", R"({"tie_word_embeddings":true})"), "c"));
  EXPECT_EQ(tied.size(), plain.size() - 1);
  EXPECT_EQ(tied.count("lm_head.weight"), 0u);

  const auto biased =
      shapes_of(*load_model(with("llama-tiny", R"({"attention_bias":true,"mlp_bias":true})"), "c"));
  EXPECT_EQ(biased.size(), plain.size() + 2 * 7);
  EXPECT_EQ(biased.at("model.layers.1.self_attn.k_proj.bias"), std::vector<int64_t>{32});
  EXPECT_EQ(biased.at("model.layers.0.mlp.up_proj.bias"), std::vector<int64_t>{160});

  const auto wide = shapes_of(*load_model(with("llama-tiny", R"({"head_dim":32})"), "c"));
  EXPECT_EQ(wide.at("model.layers.0.self_attn.q_proj.weight"), (std::vector<int64_t>{128, 64}));
  EXPECT_EQ(wide.at("model.layers.0.self_attn.v_proj.weight"), (std::vector<int64_t>{64, 64}));
  EXPECT_EQ(wide.at("model.layers.0.self_attn.o_proj.weight"), (std::vector<int64_t>{64, 128}));

  // hidden_size need not be a multiple of the heads where head_dim says what they are.
  const auto odd = load_model(with("llama-tiny", R"({"head_dim":8,"num_attention_heads":6})"), "c");
  validate(odd->build({.tokens = 5, .sequences = 1, .max_length = 5}));
}

TEST(Models, RopeLengthIsTheBatchs) {
  const auto model = load_model(with("llama-tiny", R"({"rope_scaling":{"type":"dynamic","factor":2}})"), "c");
  const auto frequencies = [&](int64_t length) {
    const Graph graph = model->build({.tokens = length, .sequences = 1, .max_length = length});
    return graph.op(graph.value(graph.require("model.rotary_emb")).producer)
        .attributes.numbers("frequencies");
  };
  EXPECT_EQ(frequencies(16), frequencies(256));
  EXPECT_NE(frequencies(16), frequencies(512));
}

TEST(Models, RecurrentVariants) {
  const auto both = load_model(with("lstm-tiny", R"({"bidirectional":true})"), "c");
  const auto shapes = shapes_of(*both);
  EXPECT_EQ(shapes.at("rnn.weight_ih_l0_reverse"), (std::vector<int64_t>{192, 32}));
  EXPECT_EQ(shapes.at("rnn.weight_ih_l1"), (std::vector<int64_t>{192, 96}));
  EXPECT_EQ(shapes.at("rnn.bias_hh_l1_reverse"), std::vector<int64_t>{192});
  EXPECT_EQ(shapes.at("decoder.weight"), (std::vector<int64_t>{256, 96}));
  validate(make_training_graph(both->build({.tokens = 9, .sequences = 3, .max_length = 5}), {}));

  const auto bare = shapes_of(*load_model(with("gru-tiny", R"({"bias":false})"), "c"));
  EXPECT_EQ(bare.count("rnn.bias_ih_l0"), 0u);
  EXPECT_EQ(bare.count("decoder.bias"), 1u);

  const auto tied = load_model(with("rnn-tiny", R"({"hidden_size":32,"tie_word_embeddings":true})"), "c");
  EXPECT_EQ(shapes_of(*tied).count("decoder.weight"), 0u);

  const auto relu = load_model(with("rnn-tiny", R"({"nonlinearity":"relu"})"), "c");
  const Graph graph = relu->build({.tokens = 4, .sequences = 2, .max_length = 3});
  const Op& layer = graph.op(graph.value(graph.require("rnn.l0")).producer);
  EXPECT_EQ(layer.attributes.text("nonlinearity"), "relu");
  EXPECT_EQ(layer.attributes.integer("max_batch"), 2);
}

TEST(Models, RecurrentWeightsMayStartAsTheUnitMatrix) {
  const auto model =
      load_model(with("rnn-tiny", R"({"hidden_size":3,"recurrent_initializer":"identity"})"), "c");
  const Graph graph = model->build({.tokens = 4, .sequences = 2, .max_length = 3});
  const Initializer& init = graph.value(graph.require("rnn.weight_hh_l0")).init;
  EXPECT_EQ(init.kind, Initializer::Kind::table);
  EXPECT_EQ(init.values, (std::vector<double>{1, 0, 0, 0}));
  EXPECT_EQ(graph.value(graph.require("rnn.weight_ih_l0")).init.kind, Initializer::Kind::uniform);
}

TEST(Models, DropoutStandsAroundEveryLayer) {
  const auto model = load_model(with("lstm-tiny", R"({"dropout":0.25})"), "c");
  const Graph graph = model->build({.tokens = 4, .sequences = 2, .max_length = 3});
  std::set<int64_t> sites;
  for (const Op& op : graph.ops()) {
    if (op.def->name != "dropout") continue;
    EXPECT_EQ(op.attributes.number("probability"), 0.25);
    EXPECT_EQ(graph.value(op.inputs[1]).name, "seed");
    EXPECT_TRUE(sites.insert(op.attributes.integer("site")).second) << "two masks would be the same";
  }
  EXPECT_EQ(sites.size(), 3u);  // after the embedding and after both layers
  EXPECT_EQ(
      model_from_preset("lstm-tiny")->build({.tokens = 1, .sequences = 1, .max_length = 1}).find("seed"),
      kNone);
}

TEST(Models, ParametersStartAsPublished) {
  for (const ParameterSpec& p : model_from_preset("llama-tiny")->parameters()) {
    const bool norm = p.name.find("norm") != std::string::npos;
    const Initializer expected =
        norm ? Initializer{Initializer::Kind::constant, 1} : Initializer{Initializer::Kind::normal, 0.02};
    EXPECT_EQ(p.init, expected) << p.name;
  }
  for (const ParameterSpec& p : model_from_preset("gru-tiny")->parameters()) {
    if (p.name.rfind("rnn.", 0) == 0) {
      EXPECT_EQ(p.init.kind, Initializer::Kind::uniform);
      EXPECT_DOUBLE_EQ(p.init.scale * p.init.scale, 1.0 / 48);
    }
  }
}

}  // namespace
}  // namespace tidemark
