#include "profiler/attribution.h"

#include <gmock/gmock.h>

#include <map>
#include <random>

#include "profiler/report.h"
#include "tests/profiler/sample.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::HasSubstr;

class AttributionTest : public ScratchTest {};

TEST_F(AttributionTest, NamesWhatLivesAtThePeak) {
  Sample().write(path("run.tide"), 3);
  const Attribution a = attribute(Trace(path("run.tide")), 2, 2);
  EXPECT_EQ(a.training_step, 2);
  EXPECT_EQ(a.peak_step, 1);
  EXPECT_EQ(a.peak_bytes, 10240);
  EXPECT_EQ(a.categories[static_cast<size_t>(Category::gradient)], 4096);
  EXPECT_EQ(a.categories[static_cast<size_t>(Category::workspace)], 0);
  ASSERT_EQ(a.modules.size(), 2u);
  EXPECT_EQ(a.modules[0].name, "net");
  EXPECT_EQ(a.modules[0].bytes, 6144);
  EXPECT_EQ(a.modules[1].name, "net.grad");
  ASSERT_EQ(a.largest.size(), 2u);
  EXPECT_EQ(a.largest[0].name, "net.w");
  EXPECT_EQ(a.largest[1].name, "net.dw");
  EXPECT_EQ(a.arena_bytes, 10240);
  // Of 12,288 resident bytes the buffers own 10,240.
  EXPECT_DOUBLE_EQ(a.coverage, 10240.0 / 12288.0);
  ASSERT_EQ(a.op_kinds.size(), 3u);
  EXPECT_EQ(a.op_kinds[0].kind, "adamw");
  EXPECT_NEAR(a.op_kinds[0].seconds, 300e-9, 1e-15);
}

/// Random lives, against a count of bytes at every step.
TEST_F(AttributionTest, AgreesWithCountingStepByStep) {
  std::mt19937 random(8);
  for (int round = 0; round < 50; ++round) {
    Sample sample;
    const auto steps = static_cast<int32_t>(1 + random() % 20);
    sample.program.clear();
    for (int32_t i = 0; i < steps; ++i)
      sample.program.push_back(
          {"op" + std::to_string(i), "kind", "m" + std::to_string(i % 3) + ".n.o.p", Phase::forward, false});
    sample.buffers.clear();
    for (int i = 0; i < 30; ++i) {
      const auto first = static_cast<int32_t>(random() % static_cast<unsigned>(steps));
      const auto last = first + static_cast<int32_t>(random() % static_cast<unsigned>(steps - first));
      sample.buffers.push_back({"b" + std::to_string(i), "f32[1]", "op0",
                                "m" + std::to_string(i % 3) + ".n.o.p",
                                static_cast<Category>(random() % kCategoryCount),
                                static_cast<int64_t>(64 * (random() % 100)), 0, first, last, false});
    }
    {
      TraceWriter writer = sample.writer(path("run.tide"));
      std::vector<TimeSpan> times(static_cast<size_t>(steps), TimeSpan{1, 2});
      writer.run(0, 0, 0, times);
      writer.step(Sample::step(0));
    }
    const Attribution a = attribute(Trace(path("run.tide")));
    std::vector<int64_t> live(static_cast<size_t>(steps), 0);
    for (const TraceBuffer& b : sample.buffers)
      for (int32_t s = b.first_step; s <= b.last_step; ++s) live[static_cast<size_t>(s)] += b.bytes;
    EXPECT_EQ(a.peak_bytes, *std::max_element(live.begin(), live.end()));
    EXPECT_EQ(live[static_cast<size_t>(a.peak_step)], a.peak_bytes);
    std::map<std::string, int64_t> modules;
    for (const TraceBuffer& b : sample.buffers)
      if (b.first_step <= a.peak_step && a.peak_step <= b.last_step)
        modules[b.module.str().substr(0, 6)] += b.bytes;
    int64_t sum = 0;
    for (const NamedBytes& m : a.modules) {
      EXPECT_EQ(m.bytes, modules.at(m.name));
      sum += m.bytes;
    }
    EXPECT_EQ(sum, a.peak_bytes);
    int64_t categories = 0;
    for (int64_t bytes : a.categories) categories += bytes;
    EXPECT_EQ(categories, a.peak_bytes);
  }
}

auto columns(const std::string& text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
}

TEST_F(AttributionTest, TheReportFitsATerminal) {
  Sample sample;
  for (int i = 0; i < 40; ++i) {
    const std::string name = "model.layers." + std::to_string(i) + "." + std::string(60, 'x');
    sample.buffers.push_back(
        {name, "f32[1, 2, 3, 4]", "op", name, Category::optimizer_state, int64_t{1} << 40, 0, 0, 2, false});
    sample.program.push_back({name, std::string(60, 'k'), name, Phase::optimizer, true});
  }
  std::string snow = "\n\x1b[2J";
  for (int i = 0; i < 60; ++i) snow += "☃";
  sample.buffers.push_back({snow, "", "op", snow, Category::activation, int64_t{1} << 41, 0, 0, 2, false});
  sample.write(path("run.tide"), 2);
  const Trace trace(path("run.tide"));
  std::ostringstream out;
  print_report(out, trace, attribute(trace));
  std::istringstream lines(out.str());
  for (std::string line; std::getline(lines, line);)
    EXPECT_LE(line.starts_with("trace ") ? 0 : columns(line), 80) << line;
  EXPECT_THAT(out.str(), HasSubstr("31 more"));  // modules past the first twelve
}

TEST_F(AttributionTest, TheJsonReportSaysTheSame) {
  Sample().write(path("run.tide"), 2);
  const Trace trace(path("run.tide"));
  const nlohmann::json j = report_json(trace, attribute(trace));
  EXPECT_EQ(j["peak_bytes"], 10240);
  EXPECT_EQ(j["peak_op"], "net.backward");
  EXPECT_EQ(j["categories"]["parameter"], 4096);
  EXPECT_EQ(j["categories"].size(), static_cast<size_t>(kCategoryCount));
  EXPECT_EQ(j["modules"][0]["module"], "net");
  EXPECT_EQ(j["largest_values"][0]["name"], "net.w");
  EXPECT_EQ(j["ops"][0]["kind"], "adamw");
  EXPECT_EQ(j["training_steps"], 2);
  EXPECT_NEAR(j["step_seconds"].get<double>(), 52.3e-6,
              1e-12);  // from the body's first op to the optimizer's end
  EXPECT_EQ(j["damage"], "");
}

}  // namespace
}  // namespace tidemark
