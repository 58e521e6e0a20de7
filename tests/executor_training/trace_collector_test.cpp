#include "executor/training/trace_collector.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "executor/training/trace_tables.h"
#include "profiler/attribution.h"
#include "tests/executor_training/tiny.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

class TraceCollectorTest : public ScratchTest {
 protected:
  Trace traced(const Tiny& tiny, const Plan& plan, int steps) {
    TinyRun run(tiny, plan);
    Session session(run.runtime, {}, 0);
    TraceCollector collector(run.runtime, path("run.tide"), {{"model", "tiny"}});
    for (int64_t i = 0; i < steps; ++i) {
      const StepResult result =
          session.step(run.feed(), [&](const Runtime&, int64_t step, int m) { collector.ran(step, m); });
      collector.finished(i, result);
      losses_.push_back(result.loss);
    }
    return Trace(path("run.tide"));
  }
  std::vector<double> losses_;
};

TEST_F(TraceCollectorTest, TellsThePlanAndTheTimes) {
  const Tiny tiny({.micro_batches = 3});
  const Plan plan = tiny.plans().back();
  const Trace trace = traced(tiny, plan, 3);
  EXPECT_EQ(trace.damage(), "");
  EXPECT_EQ(trace.metadata()["model"], "tiny");
  EXPECT_EQ(trace.metadata()["predicted_peak_bytes"], plan.arena_bytes);
  EXPECT_EQ(trace.metadata()["strategy"], plan.strategy);
  ASSERT_EQ(trace.program().size(), plan.schedule.steps.size());
  for (size_t i = 0; i < trace.program().size(); ++i)
    EXPECT_EQ(trace.program()[i].op, tiny.graph.op(plan.schedule.steps[i].op).name);

  // Per training step: what prepares it, three micro-batches, the optimizer.
  ASSERT_EQ(trace.runs().size(), 3u * 5u);
  ASSERT_EQ(trace.steps().size(), 3u);
  int64_t now = 0;
  for (const auto& run : trace.runs()) {
    const TrainingStep& step = trace.steps()[static_cast<size_t>(run.training_step)];
    if (run.micro_batch == -1 && run.first == 0) now = step.start_ns;
    for (const TimeSpan& t : trace.times(run)) {
      EXPECT_GE(t.start_ns, now);
      EXPECT_GE(t.end_ns, t.start_ns);
      now = t.end_ns;
    }
    EXPECT_LE(now, step.end_ns);
  }
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(trace.steps()[i].number, static_cast<int64_t>(i));
    EXPECT_EQ(trace.steps()[i].loss, losses_[i]);
    EXPECT_EQ(trace.steps()[i].arena_resident_bytes, plan.arena_bytes);
    EXPECT_GT(trace.steps()[i].process_resident_bytes, plan.arena_bytes);
  }
}

TEST_F(TraceCollectorTest, AttributesEveryByteOfThePlan) {
  for (const char* preset : {"llama-tiny", "lstm-tiny"}) {
    const Tiny tiny({.preset = preset, .dtype = DType::bf16});
    for (const Plan& plan : {tiny.keep_all(), tiny.plans().back()}) {
      const Attribution a = attribute(traced(tiny, plan, 1));
      EXPECT_EQ(a.peak_bytes, plan.live_bytes);
      EXPECT_EQ(a.peak_step, plan.peak_step);
      EXPECT_EQ(a.categories, plan.peak_by_category);
      EXPECT_EQ(a.arena_resident_bytes, plan.arena_bytes);
      EXPECT_GT(a.arena_bytes, plan.arena_bytes - plan.device.page_bytes);
      EXPECT_LE(a.arena_bytes, plan.arena_bytes);
      EXPECT_GT(a.coverage, 0.99);
    }
  }
}

TEST(TraceTables, StatesBelongToTheirParametersModule) {
  const Tiny tiny({.micro_batches = 2, .dtype = DType::bf16});
  const Plan plan = tiny.keep_all();
  std::map<std::string, TraceBuffer> rows;
  for (const TraceBuffer& b : trace_buffers(tiny.graph, plan)) rows[b.name] = b;
  const std::string module = "model.layers.0.mlp.down_proj";
  for (const char* suffix : {"", ".adam_m", ".adam_v", ".master", ".grad_sum"}) {
    const TraceBuffer& row = rows.at(module + ".weight" + suffix);
    EXPECT_EQ(row.module, module);
    EXPECT_EQ(row.op, "");
    EXPECT_TRUE(row.persistent);
  }
  EXPECT_EQ(rows.at("input_ids").module, "");
  EXPECT_EQ(rows.at("optimizer.hyper").module, "optimizer");
  const TraceBuffer& workspace = rows.at("model.layers.0.mlp.down_proj (workspace)");
  EXPECT_EQ(workspace.category, Category::workspace);
  EXPECT_EQ(workspace.op, "model.layers.0.mlp.down_proj");
}

TEST(TraceTables, EveryStepsBytesStandUnderTheNameTheyHaveThen) {
  const Tiny tiny({});
  for (const Plan& plan : {tiny.keep_all(), tiny.plans().back()}) {
    const std::vector<TraceBuffer> rows = trace_buffers(tiny.graph, plan);
    const std::vector<int64_t> live = live_bytes(plan.schedule, kArenaAlignment);
    std::set<int32_t> states;  // that live on the host: named as what they were at first, as what persists
    for (const Transfer& t : plan.schedule.transfers)
      if (plan.schedule.host_buffers[static_cast<size_t>(t.host)].persistent) states.insert(t.buffer);
    int in_place = 0;
    for (size_t s = 0; s < live.size(); ++s) {
      int64_t bytes = 0;
      std::set<std::string> names;
      for (const TraceBuffer& row : rows) {
        if (row.first_step > static_cast<int32_t>(s) || row.last_step < static_cast<int32_t>(s)) continue;
        bytes += row.bytes;
        names.insert(row.name);
      }
      EXPECT_EQ(bytes, live[s]) << "step " << s;
      const Step& step = plan.schedule.steps[s];
      for (size_t k = 0; k < step.outputs.size(); ++k) {
        if (step.outputs[k] == kNone) continue;
        const Buffer& b = plan.schedule.buffers[static_cast<size_t>(step.outputs[k])];
        if (b.persistent || states.contains(step.outputs[k])) continue;
        in_place += b.values.size() > 1 ? 1 : 0;
        EXPECT_TRUE(names.count(tiny.graph.value(tiny.graph.op(step.op).outputs[k]).name)) << "step " << s;
      }
    }
    EXPECT_GT(in_place, 0);
  }
}

}  // namespace
}  // namespace tidemark
