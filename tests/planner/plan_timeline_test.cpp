#include "planner/plan_timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "base/json_file.h"
#include "planner/planner.h"
#include "tests/planner/graphs.h"

namespace tidemark {
namespace {

using nlohmann::json;
using testing::HasSubstr;

struct Case {
  Graph graph;
  Plan plan;
  json document;
  PlanTimeline timeline;
};

/// `share`: of the unplanned peak, in percent.
Case planned(const test::LlamaShape& shape, int64_t share) {
  Case c;
  c.graph = test::llama(shape);
  PlanRequest request;
  request.device.threads = 2;
  request.micro_batches = shape.micro_batches;
  request.times = analytic_times(c.graph, cpu_speed(2));
  request.budget_bytes = make_plan(c.graph, request).unplanned_peak_bytes * share / 100;
  c.plan = make_plan(c.graph, request).plan.value();
  c.document = to_json(c.plan, c.graph);
  c.timeline = plan_timeline_from_json(c.document, "plan.json");
  return c;
}

class PlanTimelines : public testing::TestWithParam<std::tuple<int, int, int>> {
 protected:
  Case case_ = planned({.layers = std::get<0>(GetParam()),
                        .width = 32,
                        .heads = 2,
                        .inner = 80,
                        .tokens = 512,
                        .micro_batches = std::get<1>(GetParam())},
                       std::get<2>(GetParam()));
};

TEST_P(PlanTimelines, HaveTheStepsOfTheSchedule) {
  const auto& [graph, plan, document, timeline] = case_;
  ASSERT_EQ(timeline.steps.size(), plan.schedule.steps.size());
  Phase reached = Phase::prepare;
  int again = 0;
  for (size_t s = 0; s < timeline.steps.size(); ++s) {
    const Op& op = graph.op(plan.schedule.steps[s].op);
    reached = std::max(reached, op.phase);
    EXPECT_EQ(timeline.steps[s].op, op.name);
    EXPECT_EQ(timeline.steps[s].phase, reached) << op.name;
    EXPECT_EQ(timeline.steps[s].recompute, plan.schedule.steps[s].recompute);
    again += timeline.steps[s].recompute ? 1 : 0;
  }
  EXPECT_EQ(again > 0, std::get<2>(GetParam()) < 100) << "a plan below the peak recomputes";
}

TEST_P(PlanTimelines, TakeTheTimeThatThePlanPredicts) {
  const PlanTimeline& timeline = case_.timeline;
  double seconds = 0;
  for (const PlannedStep& s : timeline.steps) {
    const bool body = s.phase == Phase::forward || s.phase == Phase::backward;
    seconds += s.seconds * (body ? case_.plan.micro_batches : 1);
  }
  EXPECT_NEAR(seconds, case_.plan.predicted_seconds, 1e-9 * seconds);
  const OpTimes times = analytic_times(case_.graph, cpu_speed(2));
  for (size_t s = 0; s < timeline.steps.size(); ++s)
    EXPECT_EQ(timeline.steps[s].seconds, times.seconds[static_cast<size_t>(case_.plan.schedule.steps[s].op)]);
}

TEST_P(PlanTimelines, HaveTheLiveBytesOfTheSchedule) {
  const auto& [graph, plan, document, timeline] = case_;
  const std::vector<int64_t> live = live_bytes(plan.schedule, kArenaAlignment);
  ASSERT_EQ(timeline.live.size(), live.size());
  for (size_t s = 0; s < live.size(); ++s) {
    EXPECT_EQ(total(timeline.live[s]), live[s]) << "step " << s;
    CategoryBytes expected{};
    for (const Buffer& b : plan.schedule.buffers)
      if (b.first_step <= static_cast<int32_t>(s) && static_cast<int32_t>(s) <= b.last_step)
        expected[static_cast<size_t>(b.category)] += rounded_up(b.bytes, kArenaAlignment);
    EXPECT_EQ(timeline.live[s], expected) << "step " << s;
  }
  EXPECT_EQ(timeline.live[static_cast<size_t>(plan.peak_step)], plan.peak_by_category);
}

TEST_P(PlanTimelines, HaveTheBuffersAsTheyArePlaced) {
  const auto& [graph, plan, document, timeline] = case_;
  EXPECT_EQ(timeline.predicted_peak_bytes, plan.arena_bytes);
  EXPECT_EQ(timeline.budget_bytes, plan.budget_bytes);
  EXPECT_EQ(timeline.strategy, plan.strategy);
  ASSERT_EQ(timeline.buffers.size(), plan.schedule.buffers.size());
  for (size_t i = 0; i < timeline.buffers.size(); ++i) {
    const PlannedBuffer& read = timeline.buffers[i];
    const Buffer& b = plan.schedule.buffers[i];
    ASSERT_EQ(read.values.size(), b.values.size());
    for (size_t v = 0; v < b.values.size(); ++v) EXPECT_EQ(read.values[v], graph.value(b.values[v]).name);
    EXPECT_EQ(read.offset, plan.offsets[i]);
    EXPECT_EQ(read.bytes % kArenaAlignment, 0);
    EXPECT_EQ((read.bytes - 1) / kArenaAlignment, (b.bytes - 1) / kArenaAlignment);
    EXPECT_EQ(std::tie(read.category, read.first_step, read.last_step, read.persistent),
              std::tie(b.category, b.first_step, b.last_step, b.persistent));
  }
}

INSTANTIATE_TEST_SUITE_P(Plans, PlanTimelines,
                         testing::Values(std::tuple{1, 1, 100}, std::tuple{4, 1, 75}, std::tuple{3, 4, 80}));

class PlanTimelineFile : public testing::Test {
 protected:
  std::string error_of(const json& document) const {
    try {
      plan_timeline_from_json(document, "plan.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  json document_ = planned({.layers = 1, .tokens = 256}, 92).document;
};

TEST_F(PlanTimelineFile, RefusesWhatContradictsItself) {
  const std::string past_the_end = std::to_string(document_["order"].size());
  const std::vector<std::tuple<std::string, std::string, std::string>> changes = {
      {"/format", R"("another")", "format"},
      {"/version", "2", "version"},
      {"/micro_batches", "2", "step_seconds"},
      {"/predicted_peak_bytes", "64", "buffers[0]: bytes"},
      {"/live_bytes", "64", "live_bytes"},
      {"/peak_step", "0", "peak_step"},
      {"/step_seconds/0", "1000", "step_seconds"},
      {"/step_seconds/1", "-1", "step_seconds[1]"},
      {"/step_seconds", "[]", "step_seconds"},
      {"/phases/prepare", "1", "phases: prepare"},
      {"/phases/optimizer", "1000000", "phases: optimizer"},
      {"/phases/warmup", "1", "phases: warmup"},
      {"/order", "[]", "order"},
      {"/order/2", "7", "order[2]"},
      {"/buffers/0/offset", "-64", "buffers[0]: offset"},
      {"/buffers/0/offset", "9223372036854775807", "buffers[0]: offset"},
      {"/buffers/0/bytes", "9223372036854775807", "buffers[0]: bytes"},
      {"/buffers/0/category", R"("tensor")", "buffers[0]: category"},
      {"/buffers/0/first_step", "1", "buffers[0]: persistent"},
      {"/buffers/0/last_step", past_the_end, "buffers[0]: last_step"},
      {"/buffers/0/values", R"(["a", null])", "buffers[0]: values[1]"},
      {"/buffers/0/persistent", "1", "buffers[0]: persistent"},
      {"/buffers/0/color", "1", "buffers[0]: color"},
      {"/buffers", "[]", "live_bytes"},
  };
  ASSERT_EQ(error_of(document_), "no error");
  for (const auto& [path, value, named] : changes) {
    json changed = document_;
    changed[json::json_pointer(path)] = json::parse(value);
    EXPECT_THAT(error_of(changed), HasSubstr("cannot read the plan: plan.json")) << path << " = " << value;
    EXPECT_THAT(error_of(changed), HasSubstr(named)) << path << " = " << value;
  }
}

TEST_F(PlanTimelineFile, NamesWhatIsMissing) {
  for (const char* key :
       {"order", "buffers", "phases", "step_seconds", "settings", "budget_bytes", "graph"}) {
    json missing = document_;
    missing.erase(key);
    EXPECT_THAT(error_of(missing), HasSubstr(std::string(key) + ": it is missing"));
  }
}

TEST_F(PlanTimelineFile, SurvivesRandomDamage) {
  const std::string text = document_.dump(1);
  std::mt19937 random(4);
  int refused = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string damaged = text;
    for (unsigned k = 0; k <= random() % 3; ++k) {
      const size_t at = random() % damaged.size();
      if (random() % 2 == 0)
        damaged[at] = static_cast<char>('0' + random() % 10);
      else
        damaged.erase(at, 1 + random() % 40);
    }
    try {
      const PlanTimeline plan =
          plan_timeline_from_json(parse_json(damaged, "plan.json", "cannot read the plan"), "plan.json");
      for (const PlannedBuffer& b : plan.buffers) {
        ASSERT_LE(b.offset + b.bytes, plan.predicted_peak_bytes);
        ASSERT_LT(static_cast<size_t>(b.last_step), plan.steps.size());
      }
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace tidemark
