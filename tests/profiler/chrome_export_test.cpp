// What is exported, read back and added up again.
#include <gmock/gmock.h>

#include <map>
#include <random>
#include <set>

#include "base/error.h"
#include "base/gzip.h"
#include "profiler/attribution.h"
#include "profiler/export/chrome_trace.h"
#include "tests/profiler/sample.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

int64_t nanoseconds(const json& microseconds) {
  return std::llround(microseconds.get<double>() * 1000);
}

struct Life {
  json args;
  std::string category, name;
  int64_t begin = 0, end = 0;
};

/// The events of a file, by what they are.
struct Events {
  std::vector<json> slices, counters;
  std::vector<Life> lives;
  json other;

  explicit Events(const std::string& path) {
    GzipReader file(path, "cannot read");
    std::string text(1 << 22, '\0');
    text.resize(file.read(std::as_writable_bytes(std::span(text))));
    const json document = json::parse(text);
    other = document["otherData"];
    std::map<int64_t, Life> open;
    for (const json& e : document["traceEvents"]) {
      const std::string phase = e["ph"];
      if (phase == "X") slices.push_back(e);
      if (phase == "C") counters.push_back(e);
      if (phase == "b") {
        EXPECT_TRUE(
            open.try_emplace(e["id"], Life{e["args"], e["cat"], e["name"], nanoseconds(e["ts"]), 0}).second);
      } else if (phase == "e") {
        lives.push_back(open.extract(e["id"].get<int64_t>()).mapped());
        lives.back().end = nanoseconds(e["ts"]);
      }
    }
    EXPECT_TRUE(open.empty());
  }
  std::vector<json> ops() const {
    std::vector<json> ops;
    for (const json& s : slices)
      if (s["cat"] != "training step") ops.push_back(s);
    return ops;
  }
};

class ChromeExportTest : public ScratchTest {
 protected:
  Events exported(const std::string& name = "run.json") const {
    export_chrome_trace(Trace(path("run.tide")), path(name));
    return Events(path(name));
  }
};

TEST_F(ChromeExportTest, SaysWhatTheReportSays) {
  Sample().write(path("run.tide"), 3);
  const Attribution report = attribute(Trace(path("run.tide")));
  const Events events = exported();

  // Every op's time is the same in each step of the sample, so medians times executions are sums.
  std::map<std::string, double> seconds;
  for (const json& s : events.ops()) seconds[s["args"]["kind"]] += s["dur"].get<double>() * 1e-6;
  const std::map<std::string, double> executions = {{"linear", 6}, {"linear_grad_weight", 6}, {"adamw", 3}};
  ASSERT_EQ(seconds.size(), report.op_kinds.size());
  for (const OpKindTime& k : report.op_kinds)
    EXPECT_NEAR(seconds.at(k.kind), k.seconds * executions.at(k.kind), 1e-12) << k.kind;

  // The highest sample of the counters, and what lives there.
  const auto total_of = [](const json& counter) {
    int64_t sum = 0;
    for (const auto& [name, bytes] : counter["args"].items()) sum += bytes.get<int64_t>();
    return sum;
  };
  const json& peak = *std::ranges::max_element(events.counters, {}, total_of);
  EXPECT_EQ(total_of(peak), report.peak_bytes);
  for (size_t c = 0; c < kCategoryCount; ++c)
    EXPECT_EQ(peak["args"].value(std::string(kCategoryNames[c]), int64_t{0}), report.categories[c]);
  EXPECT_EQ(peak["args"].size(), 4u);  // those that the sample has
  std::map<std::string, int64_t> modules;
  for (const Life& life : events.lives)
    if (life.begin <= nanoseconds(peak["ts"]) && nanoseconds(peak["ts"]) < life.end)
      modules[life.args["module"]] += life.args["bytes"].get<int64_t>();
  ASSERT_EQ(modules.size(), report.modules.size());
  for (const NamedBytes& m : report.modules) EXPECT_EQ(modules.at(m.name), m.bytes);
}

TEST_F(ChromeExportTest, NamesPhasesStepsAndTheRun) {
  Sample sample;
  sample.program[1].recompute = true;
  sample.write(path("run.tide"), 2);
  const Events events = exported();
  EXPECT_EQ(events.other["model"], "sample");
  const json backward = events.ops()[1];
  EXPECT_EQ(backward["name"], "net.backward");
  EXPECT_EQ(backward["cat"], "backward");
  EXPECT_EQ(backward["args"]["module"], "net");
  EXPECT_EQ(backward["args"]["recompute"], true);
  EXPECT_EQ(backward["args"]["micro_batch"], 0);
  EXPECT_FALSE(events.ops()[0]["args"].contains("recompute"));
  EXPECT_NE(events.ops()[0]["tid"], backward["tid"]);
  EXPECT_EQ(events.slices.back()["name"], "step 1");
  EXPECT_DOUBLE_EQ(events.slices.back()["args"]["loss"], 4.9);
  // A value of the body lives once per micro-batch and step, a parameter once.
  EXPECT_EQ(std::ranges::count(events.lives, "activation", &Life::category), 4);
  EXPECT_EQ(std::ranges::count(events.lives, "parameter", &Life::category), 1);
}

TEST_F(ChromeExportTest, GzippedItIsTheSame) {
  Sample().write(path("run.tide"), 3);
  exported("run.json");
  exported("run.json.gz");
  EXPECT_LT(bytes_of(path("run.json.gz")).size() * 4, bytes_of(path("run.json")).size());
  EXPECT_EQ(bytes_of(path("run.json.gz")).substr(0, 2), "\x1f\x8b");
  EXPECT_EQ(Events(path("run.json.gz")).slices, Events(path("run.json")).slices);
}

/// Programs with all phases, micro-batches and random lives: at each op, the buffers whose slices are open
/// are those that the program says live there.
TEST_F(ChromeExportTest, LivesAndCountersAgreeAtEveryOp) {
  std::mt19937 random(11);
  for (int round = 0; round < 20; ++round) {
    Sample sample;
    sample.program.clear();
    std::vector<int32_t> begins;  // of the phases
    for (int p = 0; p < kPhaseCount; ++p) {
      begins.push_back(static_cast<int32_t>(sample.program.size()));
      for (unsigned i = 0; i < 1 + random() % 4; ++i)
        sample.program.push_back(
            {"op" + std::to_string(sample.program.size()), "kind", "m", static_cast<Phase>(p), false});
    }
    const auto steps = static_cast<int32_t>(sample.program.size());
    sample.buffers.clear();
    for (int i = 0; i < 20; ++i) {
      const auto first = static_cast<int32_t>(random() % static_cast<unsigned>(steps));
      const auto last = first + static_cast<int32_t>(random() % static_cast<unsigned>(steps - first));
      const bool persistent = i < 2;
      sample.buffers.push_back({"b" + std::to_string(i), "", "", "m",
                                static_cast<Category>(random() % kCategoryCount), int64_t{1} << i, 0,
                                persistent ? 0 : first, persistent ? steps - 1 : last, persistent});
    }
    {
      TraceWriter writer = sample.writer(path("run.tide"));
      int64_t now = 5'000'000'000'000'000;
      const auto some = [&] { return static_cast<int64_t>(1 + random() % 50); };
      const auto run = [&](int64_t step, int32_t micro_batch, int32_t first, int32_t past) {
        std::vector<TimeSpan> times;
        for (int32_t i = first; i < past; ++i) {
          now += some();
          times.push_back({now, now + some()});
          now = times.back().end_ns;
        }
        writer.run(step, micro_batch, first, times);
      };
      for (int64_t step = 0; step < 2; ++step) {
        run(step, -1, 0, begins[1]);
        for (int32_t m = 0; m <= round % 3; ++m) run(step, m, begins[1], begins[3]);
        run(step, -1, begins[3], steps);
        writer.step(Sample::step(step));
      }
    }
    const Events events = exported();
    size_t counter = 0;
    for (const json& op : events.ops()) {
      const int64_t time = nanoseconds(op["ts"]);
      while (counter + 1 < events.counters.size() && nanoseconds(events.counters[counter + 1]["ts"]) <= time)
        ++counter;
      std::map<std::string, int64_t> open, live;
      for (const Life& life : events.lives)
        if (life.begin <= time && time < life.end) open[life.category] += life.args["bytes"].get<int64_t>();
      const auto step = std::stoi(op["name"].get<std::string>().substr(2));
      for (const TraceBuffer& b : sample.buffers)
        if (lives_at(b, step)) live[std::string(name_of(b.category))] += b.bytes;
      EXPECT_EQ(open, live) << round << ", " << op["name"];
      for (const auto& [category, bytes] : events.counters[counter]["args"].items())
        EXPECT_EQ(bytes, live[category]) << round << ", " << op["name"];
    }
  }
}

TEST_F(ChromeExportTest, WhatCannotBeExported) {
  Sample().write(path("none.tide"), 0);
  EXPECT_THAT(message_of<Error>([&] { export_chrome_trace(Trace(path("none.tide")), path("x.json")); }),
              HasSubstr("no op of it ran"));
  Sample().write(path("run.tide"), 1);
  EXPECT_THAT(message_of<Error>([&] { export_chrome_trace(Trace(path("run.tide")), path("no/x.json")); }),
              HasSubstr("no/x.json"));
  EXPECT_FALSE(std::filesystem::exists(path("x.json")));
}

/// Viewers add up slices of one name: steps of a recording, which are numbered, have the name of what ran.
TEST_F(ChromeExportTest, NumbersAreNoPartOfNames) {
  Sample sample;
  sample.program[0].op = Name::numbered("gemm", 7);
  sample.program[1].op = Name::numbered("gemm", 8);
  sample.buffers[1].name = sample.buffers[1].op = sample.program[0].op;
  sample.buffers[3].name = Name::numbered("freed in gemm", 9);
  sample.write(path("run.tide"), 1);
  const Events events = exported();
  EXPECT_EQ(events.ops()[0]["name"], "gemm");
  EXPECT_EQ(events.ops()[1]["name"], "gemm");
  EXPECT_EQ(events.ops()[0]["args"]["op"], "gemm #7");
  EXPECT_EQ(events.ops()[1]["args"]["op"], "gemm #8");
  std::multiset<std::string> names;
  for (const Life& life : events.lives) {
    names.insert(life.name);
    if (life.name == "gemm") {
      EXPECT_EQ(life.args["op"], "gemm #7");
    } else if (life.name == "freed in gemm") {
      EXPECT_EQ(life.args["value"], "freed in gemm #9");
    }
  }
  EXPECT_EQ(names.count("gemm"), 2u);  // once per micro-batch
  EXPECT_GT(names.count("freed in gemm"), 0u);
}

/// Names that are not UTF-8 cannot be in a trace's tables, but quotes and control characters can.
TEST_F(ChromeExportTest, OddNamesAreEscaped) {
  Sample sample;
  sample.program[0].op = "a \"quoted\"\n\x01 name";
  sample.write(path("run.tide"), 1);
  EXPECT_EQ(exported().ops()[0]["name"], sample.program[0].op);
}

}  // namespace
}  // namespace tidemark
