#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "base/error.h"
#include "graph/autodiff.h"
#include "graph/op_def.h"
#include "graph/serialize.h"
#include "tests/graph/small_graphs.h"

namespace tidemark {
namespace {

using nlohmann::json;

TEST(GraphJson, RoundTripsATrainingGraph) {
  const Graph g = make_training_graph(test::residual_model(DType::bf16), {.micro_batches = 2});
  const json document = to_json(g);
  const Graph back = graph_from_json(json::parse(document.dump()), "g.json");
  EXPECT_EQ(to_json(back), document);
  EXPECT_EQ(fingerprint(back), fingerprint(g));
}

TEST(GraphJson, KeepsParameterGroupsWhichTheUpdateFollows) {
  Graph forward("groups");
  const ValueId h = forward.add_source("h.weight", {DType::f32, {3, 4}}, Category::parameter, {},
                                       {.decays = false, .learning_rate_scale = 0.25});
  const ValueId w = forward.add_source("w.weight", {DType::f32, {5, 4}}, Category::parameter);
  const ValueId labels = forward.add_source("labels", {DType::i32, {3}}, Category::input);
  const ValueId x = forward.add({"add", "x", {h, h}});
  forward.add({"linear_cross_entropy", "loss", {x, w, labels}, {{"chunk_rows", int64_t{2}}}});
  const Graph g = graph_from_json(to_json(make_training_graph(forward, {})), "g.json");
  EXPECT_EQ(g.value(g.require("h.weight")).group, forward.value(h).group);
  for (const Op& op : g.ops()) {
    if (op.def->name != "adamw") continue;
    const bool grouped = op.name.starts_with("h.");
    EXPECT_EQ(op.attributes.number("weight_decay"), grouped ? 0 : AdamW{}.weight_decay);
    EXPECT_EQ(op.attributes.number("learning_rate_scale"), grouped ? 0.25 : 1);
  }
}

TEST(GraphJson, KeepsTablesThatParametersStartFrom) {
  Graph g("table");
  Initializer table{Initializer::Kind::table};
  table.values = {1, 0, 0.25};
  const ValueId w = g.add_source("w", {DType::f32, {2, 2}}, Category::parameter, table);
  g.add({"add", "y", {w, w}});
  EXPECT_EQ(graph_from_json(to_json(g), "g.json").value(0).init, table);
}

TEST(GraphJson, KeepsTheNamesOfOpaqueOutputs) {
  Graph g("foreign");
  const ValueId x = g.add_source("x", {DType::u8, {100}}, Category::input);
  Graph::NewOp op{"opaque",
                  "f",
                  {x},
                  {{"bytes", std::vector<double>{7, 100}},
                   {"workspace_bytes", int64_t{9}},
                   {"recompute", false},
                   {"seconds", 0.25},
                   {"aliases", std::vector<double>{1, 0, 1}}}};
  op.outputs = {"a", "b"};
  g.add_op(op);
  const json document = to_json(g);
  EXPECT_EQ(document["ops"][0]["attributes"].size(), 3u) << "sizes and aliases stand at the outputs";
  EXPECT_EQ(document["ops"][0]["outputs"][1]["updates"], "x");
  EXPECT_EQ(to_json(graph_from_json(json::parse(document.dump()), "g.json")), document);
}

TEST(GraphJson, RejectsWhatItDoesNotKnow) {
  json document = to_json(make_training_graph(test::residual_model(), {}));
  document["ops"][0]["colour"] = "red";
  try {
    graph_from_json(document, "g.json");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "bad graph: g.json.ops[0]: there is no field \"colour\" here; docs/formats.md lists them");
  }
}

TEST(GraphJson, TheFingerprintSeesShapesAttributesAndOrder) {
  const Graph f32 = make_training_graph(test::residual_model(), {});
  EXPECT_NE(fingerprint(f32), fingerprint(make_training_graph(test::residual_model(DType::bf16), {})));
  AdamW other;
  other.beta2 = 0.999;
  EXPECT_NE(fingerprint(f32), fingerprint(make_training_graph(test::residual_model(), {.optimizer = other})));
}

TEST(GraphJson, NamesTheFieldThatIsWrong) {
  const json good = to_json(make_training_graph(test::residual_model(), {}));
  const auto rejected = [](const json& document, const std::string& field) {
    try {
      graph_from_json(document, "g.json");
      ADD_FAILURE() << "accepted a bad " << field;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(field), std::string::npos) << e.what();
    }
  };
  json bad = good;
  bad["tidemark_graph"] = 99;
  rejected(bad, "g.json.tidemark_graph");
  bad = good;
  bad["ops"][3]["inputs"][0] = "nowhere";
  rejected(bad, "g.json.ops[3].inputs[0]");
  bad = good;
  bad["ops"][2]["op"] = "levitate";
  rejected(bad, "levitate");
  bad = good;
  bad["sources"][0]["type"]["shape"][0] = -6;
  rejected(bad, "g.json.sources[0].type.shape[0]");
  bad = good;
  bad["ops"][1]["outputs"][0]["type"]["dtype"] = "bf16";
  rejected(bad, "g.json.ops[1].outputs[0]");
  bad = good;
  std::swap(bad["ops"][1], bad["ops"][2]);
  rejected(bad, "g.json.ops[1]");
}

TEST(GraphJson, SurvivesRandomEdits) {
  const std::string text = to_json(make_training_graph(test::residual_model(), {})).dump();
  std::mt19937 random(7);
  for (int i = 0; i < 400; ++i) {
    std::string edited = text;
    for (int k = 0; k < 3; ++k) edited[random() % edited.size()] = static_cast<char>(random() % 128);
    const json document = json::parse(edited, nullptr, false);
    if (document.is_discarded()) continue;
    try {
      validate(graph_from_json(document, "fuzz"));
    } catch (const Error&) {
    }
  }
}

TEST(GraphDump, ListsEveryOpInTextAndGraphviz) {
  const Graph g = make_training_graph(test::residual_model(), {});
  std::ostringstream text, dot;
  write_text(text, g);
  write_graphviz(dot, g);
  for (const Op& op : g.ops()) EXPECT_NE(dot.str().find(op.name + " : "), std::string::npos) << op.name;
  EXPECT_NE(
      text.str().find("%blocks.0.gate f32[6, 12] = linear(%blocks.0.norm, %blocks.0.gate.weight, _, _)"),
      std::string::npos)
      << text.str();
}

}  // namespace
}  // namespace tidemark
