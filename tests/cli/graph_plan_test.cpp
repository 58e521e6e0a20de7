// `tidemark plan --graph`: graphs from elsewhere, good and bad.
#include <sstream>

#include "graph/serialize.h"
#include "planner/plan.h"
#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

json op(const std::string& name, const std::string& phase, const std::vector<std::string>& inputs,
        int64_t bytes, double seconds) {
  return {{"op", "opaque"},
          {"name", name},
          {"phase", phase},
          {"inputs", inputs},
          {"outputs", {{{"name", name + ".y"}, {"bytes", bytes}}}},
          {"attributes", {{"seconds", seconds}}}};
}

/// A chain of forward ops of a kilobyte each, and backward ops that read what they made.
json chain(int ops) {
  json document = {{"tidemark_graph", 1},
                   {"name", "chain"},
                   {"sources", {{{"name", "x"}, {"bytes", 1024}, {"category", "input"}}}},
                   {"ops", json::array()},
                   {"outputs", json::array()}};
  const auto f = [](int i) { return "f" + std::to_string(i); };
  for (int i = 0; i < ops; ++i)
    document["ops"].push_back(op(f(i), "forward", {i == 0 ? "x" : f(i - 1) + ".y"}, 1024, 1e-3));
  for (int i = ops; i-- > 0;)
    document["ops"].push_back(
        op("b" + std::to_string(i), "backward",
           {i == ops - 1 ? f(i) + ".y" : "b" + std::to_string(i + 1) + ".y", i == 0 ? "x" : f(i - 1) + ".y"},
           1024, 2e-3));
  document["outputs"].push_back("b0.y");
  return document;
}

class GraphPlan : public CommandTest {
 protected:
  std::string error(const json& document) const { return error_of_text(document.dump()); }
  std::string error_of_text(const std::string& text) const {
    return error_of({"plan", "--graph", write("g.json", text)}, 2);
  }
};

TEST_F(GraphPlan, FitsTheBudgetAndTheFileIsReadAgain) {
  const std::string graph = write("g.json", chain(30).dump()), plan = path("plan.json");
  const json keep = json_of({"plan", "--graph", graph, "--json"});
  const json j = json_of({"plan", "--graph", graph, "--budget", "16KiB", "--out", plan, "--json"});
  EXPECT_GT(keep["predicted_peak_bytes"], 30 * 1024);
  EXPECT_LE(j["predicted_peak_bytes"], 16 * 1024);
  EXPECT_NEAR(keep["predicted_seconds"].get<double>(), 0.09, 1e-9);
  EXPECT_GT(j["predicted_seconds"], keep["predicted_seconds"]);
  EXPECT_LE(j["lower_bound_seconds"], j["predicted_seconds"]);
  const Plan read = load_plan(plan, load_graph(graph));
  EXPECT_EQ(read.cost_model, "given");
  EXPECT_EQ(read.arena_bytes, j["predicted_peak_bytes"]);
  EXPECT_GT(read.schedule.steps.size(), 60u);
}

TEST_F(GraphPlan, ReadsTheGraphsThatTheCommandWrites) {
  const Output written = run({"graph", "--model", "llama-tiny", "--format", "json"});
  const std::string graph = write("g.json", written.out);
  const json direct = json_of({"plan", "--model", "llama-tiny", "--budget", "60%", "--json"});
  const json read = json_of({"plan", "--graph", graph, "--budget", "60%", "--json"});
  for (const char* key : {"predicted_peak_bytes", "predicted_seconds", "lower_bound_seconds", "strategy"})
    EXPECT_EQ(read[key], direct[key]) << key;
}

TEST_F(GraphPlan, UpdatesInPlace) {
  json document = chain(4);
  document["sources"].push_back({{"name", "w"}, {"bytes", 1 << 20}, {"category", "parameter"}});
  document["ops"].push_back(op("update", "optimizer", {"w", "b0.y"}, 1 << 20, 1e-3));
  const auto peak = [&] {
    return json_of({"plan", "--graph", write("g.json", document.dump()), "--json"})["predicted_peak_bytes"]
        .get<int64_t>();
  };
  EXPECT_GT(peak(), 2 << 20);
  document["ops"].back()["outputs"][0]["updates"] = "w";
  EXPECT_LT(peak(), (1 << 20) + (1 << 16));
  document["ops"].back()["outputs"][0]["bytes"] = 5;
  EXPECT_THAT(error(document), AllOf(HasSubstr("update"), HasSubstr("another size")));
}

TEST_F(GraphPlan, ShowsTheTradeOff) {
  const std::string graph = write("g.json", chain(24).dump()), picture = path("curve.svg");
  const Arguments line = {"plan", "--graph", graph, "--pareto", "--points", "5", "--picture", picture};
  const Output table = run(line);
  EXPECT_EQ(table.status, 0) << table.error;
  std::istringstream lines(table.out);
  for (std::string text; std::getline(lines, text);) EXPECT_LE(text.size(), 80u) << text;
  EXPECT_THAT(table.out, AllOf(HasSubstr("keep-all"), HasSubstr("100.0 %")));
  Arguments as_json = line;
  as_json.push_back("--json");
  const json j = json_of(as_json);
  ASSERT_GE(j["points"].size(), 3u);
  EXPECT_EQ(j["points"].back()["predicted_peak_bytes"], j["unplanned_peak_bytes"]);
  EXPECT_EQ(j["points"].front()["predicted_peak_bytes"], j["smallest_feasible_bytes"]);
  const std::string svg = bytes_of(picture);
  size_t dots = 0;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1)) ++dots;
  EXPECT_EQ(dots, j["points"].size());
  error_of({"plan", "--graph", graph, "--pareto", "--budget", "50%"}, 2);
  error_of({"plan", "--graph", graph, "--pareto", "--points", "1"}, 2);
  error_of({"plan", "--graph", graph, "--picture", picture}, 2);
  EXPECT_THAT(error_of({"plan", "--graph", graph, "--pareto", "--picture", path("no/x.svg")}, 3),
              HasSubstr("cannot save the picture"));
}

TEST_F(GraphPlan, SaysWhatIsWrongInOneLine) {
  const auto with = [&](const std::function<void(json&)>& change) {
    json document = chain(3);
    change(document);
    return error(document);
  };
  EXPECT_THAT(with([](json& g) { g["ops"][0]["inputs"] = {"f2.y"}; }),
              AllOf(HasSubstr("ops[0].inputs[0]"), HasSubstr("f2.y"), HasSubstr("cycle")));
  EXPECT_THAT(with([](json& g) { g["ops"][1]["inputs"] = {"nowhere"}; }),
              AllOf(HasSubstr("ops[1].inputs[0]"), HasSubstr("no source or earlier op makes 'nowhere'")));
  EXPECT_THAT(with([](json& g) { g["ops"][1]["outputs"][0]["bytes"] = -1; }),
              AllOf(HasSubstr("ops[1].outputs[0].bytes"), HasSubstr("negative")));
  EXPECT_THAT(with([](json& g) { g["sources"][0]["bytes"] = -1; }), HasSubstr("sources[0].bytes"));
  EXPECT_THAT(with([](json& g) { g["ops"][1]["attributes"]["workspace_bytes"] = -1; }),
              HasSubstr("workspace_bytes"));
  EXPECT_THAT(with([](json& g) { g["ops"][1]["outputs"][0]["name"] = "f0.y"; }), HasSubstr("twice"));
  EXPECT_THAT(with([](json& g) { g["ops"][1]["name"] = "f0"; }), HasSubstr("name of two ops"));
  EXPECT_THAT(with([](json& g) { g["ops"] = json::array(); }), HasSubstr("nothing to plan"));
  EXPECT_THAT(with([](json& g) { g["ops"][0]["attributes"].erase("seconds"); }),
              AllOf(HasSubstr("ops[0].attributes"), HasSubstr("seconds")));
  EXPECT_THAT(with([](json& g) { g["ops"][0]["attributes"]["seconds"] = -1; }), HasSubstr("seconds"));
  EXPECT_THAT(with([](json& g) { g["ops"][0]["attributes"]["seconds"] = nullptr; }),
              HasSubstr("seconds: is not a number"));
  EXPECT_THAT(with([](json& g) { g["ops"][0]["attributes"]["secs"] = 1; }), HasSubstr("secs"));
  EXPECT_THAT(with([](json& g) { g["ops"][0]["phase"] = "backward"; }), HasSubstr("phase forward after"));
  EXPECT_THAT(with([](json& g) { g["ops"][0]["name"] = "a\nb"; }), HasSubstr("control characters"));
  EXPECT_THAT(with([](json& g) { g["outputs"] = {"nowhere"}; }), HasSubstr("outputs[0]"));
}

TEST_F(GraphPlan, SizesThatOverflowAndTimesThatAreNone) {
  for (const char* bytes : {"9223372036854775807", "9223372036854775808", "18446744073709551615", "1e30",
                            "281474976710656", "1024.5"}) {
    std::string text = chain(3).dump();
    text.replace(text.find("1024"), 4, bytes);
    EXPECT_THAT(error_of_text(text),
                AnyOf(HasSubstr("bad graph"), HasSubstr("not a whole number up to 2^53")))
        << bytes;
  }
  std::string text = chain(3).dump();
  text.replace(text.find("0.001"), 5, "NaN");
  EXPECT_THAT(error_of_text(text), HasSubstr("seconds: is not a number"));
  EXPECT_THAT(error_of_text(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of_text("[]"), HasSubstr("is not an object"));
  EXPECT_THAT(error_of({"plan", "--graph", path("none.json")}, 2), HasSubstr("none.json"));
  error_of({"plan", "--graph", write("g.json", chain(3).dump()), "--model", "llama-tiny"}, 2);
}

}  // namespace
}  // namespace tidemark
