#include "planner/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "graph/opaque.h"
#include "planner/graph_view.h"
#include "tests/planner/graphs.h"
#include "tests/planner/random_graph.h"
#include "tests/planner/symbolic_run.h"

namespace tidemark {
namespace {

using testing::HasSubstr;

constexpr DeviceTraits kDevice{.threads = 2};

bool read_before_remade(const Graph& graph, const Schedule& schedule, ValueId value, size_t after) {
  for (size_t s = after + 1; s < schedule.steps.size(); ++s) {
    const Op& op = graph.op(schedule.steps[s].op);
    if (std::count(op.inputs.begin(), op.inputs.end(), value)) return true;
    if (std::count(op.outputs.begin(), op.outputs.end(), value)) return false;
  }
  return std::count(graph.outputs().begin(), graph.outputs().end(), value) != 0;
}

/// No transient buffer lives a step longer than somebody needs it, and none is new that could be reused.
void expect_tight(const Graph& graph, const Schedule& schedule) {
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    const Step& step = schedule.steps[s];
    const Op& op = graph.op(step.op);
    for (const Alias& a : aliases_of(op)) {
      const auto in = static_cast<size_t>(a.in), out = static_cast<size_t>(a.out);
      if (in >= op.inputs.size() || op.inputs[in] == kNone) continue;
      const bool taken = step.inputs[in] == step.outputs[out];
      if (a.required) {
        EXPECT_TRUE(taken) << op.name;
        continue;
      }
      const bool elsewhere = std::count(step.inputs.begin(), step.inputs.end(), step.outputs[out]) != 0;
      const bool free = !schedule.buffers[static_cast<size_t>(step.inputs[in])].persistent &&
                        std::count(op.inputs.begin(), op.inputs.end(), op.inputs[in]) == 1 &&
                        !read_before_remade(graph, schedule, op.inputs[in], s);
      EXPECT_TRUE(taken || elsewhere || !free) << op.name << " could overwrite input " << in;
      EXPECT_TRUE(!taken || free) << op.name << " overwrites input " << in;
    }
  }
  for (size_t b = 0; b < schedule.buffers.size(); ++b) {
    const Buffer& buffer = schedule.buffers[b];
    if (buffer.persistent) continue;
    const auto id = static_cast<int32_t>(b);
    int32_t first = kNone, last = kNone;
    for (size_t s = 0; s < schedule.steps.size(); ++s) {
      const Step& step = schedule.steps[s];
      if (!std::count(step.inputs.begin(), step.inputs.end(), id) &&
          !std::count(step.outputs.begin(), step.outputs.end(), id) && step.workspace != id)
        continue;
      if (first == kNone) first = static_cast<int32_t>(s);
      last = static_cast<int32_t>(s);
    }
    EXPECT_EQ(buffer.first_step, first);
    const bool output =
        !buffer.values.empty() && buffer.last_step + 1 == static_cast<int32_t>(schedule.steps.size());
    EXPECT_TRUE(buffer.last_step == last || output) << "buffer " << b;
  }
}

TEST(Schedule, RandomOrdersReadWhatTheyMeanTo) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    test::RandomGraph random(seed);
    const std::vector<OpId> order = random.order();
    const Schedule schedule = make_schedule(random.graph(), order, kDevice);
    ASSERT_EQ(schedule.steps.size(), order.size());
    test::expect_runs(random.graph(), schedule);
    expect_tight(random.graph(), schedule);
    if (HasFailure()) return;
  }
}

TEST(Schedule, MarksRecomputingSteps) {
  test::RandomGraph random(7);
  const std::vector<OpId> order = random.order();
  const Schedule schedule = make_schedule(random.graph(), order, kDevice);
  for (size_t s = 0; s < order.size(); ++s)
    EXPECT_EQ(schedule.steps[s].recompute,
              std::find(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(s), order[s]) !=
                  order.begin() + static_cast<std::ptrdiff_t>(s));
}

TEST(Schedule, WorkspaceLivesOneStep) {
  const Graph graph = test::llama();
  std::vector<OpId> order(graph.ops().size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<OpId>(i);
  const Schedule schedule = make_schedule(graph, order, kDevice);
  int64_t workspaces = 0;
  for (size_t s = 0; s < order.size(); ++s) {
    const Step& step = schedule.steps[s];
    const Op& op = graph.op(step.op);
    const int64_t bytes = op.def->workspace ? op.def->workspace(OpView(graph, op), kDevice) : 0;
    ASSERT_EQ(step.workspace != kNone, bytes > 0) << op.name;
    if (bytes == 0) continue;
    const Buffer& buffer = schedule.buffers[static_cast<size_t>(step.workspace)];
    EXPECT_EQ(buffer.bytes, bytes);
    EXPECT_EQ(buffer.category, Category::workspace);
    EXPECT_EQ(buffer.first_step, static_cast<int32_t>(s));
    EXPECT_EQ(buffer.last_step, static_cast<int32_t>(s));
    ++workspaces;
  }
  EXPECT_GT(workspaces, 0);
}

TEST(Schedule, LiveBytesAreWhatLivesAtEachStep) {
  test::RandomGraph random(11);
  const Schedule schedule = make_schedule(random.graph(), random.order(), kDevice);
  const std::vector<int64_t> live = live_bytes(schedule, 256);
  for (size_t s = 0; s < live.size(); ++s) {
    int64_t sum = 0;
    for (const Buffer& b : schedule.buffers)
      if (b.first_step <= static_cast<int32_t>(s) && static_cast<int32_t>(s) <= b.last_step)
        sum += (b.bytes + 255) & ~int64_t{255};
    EXPECT_EQ(live[s], sum) << s;
  }
}

TEST(Schedule, WhatPrepareMakesOutlivesARepeatedBody) {
  Graph graph("prepared");
  const ValueId x = graph.add_source("x", {DType::f32, {4, 8}}, Category::input);
  const ValueId made = graph.add({"add", "made", {x, x}, {}, "", Phase::prepare});
  const ValueId y = graph.add({"add", "y", {made, x}});
  const ValueId z = graph.add({"add", "z", {y, x}, {}, "", Phase::backward});
  graph.mark_output(z);
  const Schedule schedule = make_schedule(graph, {0, 1, 2}, kDevice);
  const int32_t buffer = schedule.steps[0].outputs[0];
  EXPECT_EQ(schedule.buffers[static_cast<size_t>(buffer)].last_step, 2);
  EXPECT_NE(schedule.steps[1].outputs[0], buffer);
  EXPECT_EQ(schedule.steps[1].outputs[0], schedule.steps[2].outputs[0]);
}

template <typename F>
std::string error_of(F call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Schedule, RefusesOrdersThatCannotRun) {
  const Graph graph = test::llama({.layers = 1});
  std::vector<OpId> order(graph.ops().size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<OpId>(i);
  const auto error = [&](const std::vector<OpId>& o) {
    return error_of([&] { make_schedule(graph, o, kDevice); });
  };
  EXPECT_EQ(error(order), "no error");

  std::vector<OpId> missing = order;
  missing.pop_back();
  EXPECT_THAT(error(missing), HasSubstr("'" + graph.op(order.back()).name + "': it is missing"));
  std::vector<OpId> swapped = order;
  std::swap(swapped[2], swapped[1]);
  EXPECT_THAT(error(swapped), HasSubstr("before any op made it"));
  std::vector<OpId> foreign = order;
  foreign.push_back(static_cast<OpId>(order.size()));
  EXPECT_THAT(error(foreign), HasSubstr("there is no op"));
  std::vector<OpId> late = order;
  std::rotate(late.begin(), late.begin() + 1, late.end());
  EXPECT_THAT(error(late), HasSubstr("before any op made it"));
  std::vector<OpId> twice = order;
  twice.push_back(order.back());
  EXPECT_THAT(error(twice), HasSubstr("it runs again, though of phase optimizer"));
  std::vector<OpId> updated = order;  // layer 0 once more, after the optimizer changed its weights
  updated.push_back(graph.value(graph.require("layers.0.q_proj")).producer);
  EXPECT_THAT(error(updated), HasSubstr("overwrote it"));

  const Graph prepared = test::llama({.layers = 1, .micro_batches = 2});
  std::vector<OpId> unprepared = program_order(prepared);
  ASSERT_EQ(prepared.op(0).phase, Phase::prepare);
  std::rotate(unprepared.begin(), unprepared.begin() + 1, unprepared.end());
  EXPECT_THAT(error_of([&] { make_schedule(prepared, unprepared, kDevice); }),
              HasSubstr("what prepares a step runs before everything else"));
}

TEST(Schedule, AnOptimizerOpMayFollowItsGradient) {
  TrainingOptions options;
  options.optimizer->clip_norm = 0;
  const Graph graph = make_training_graph(test::llama_forward({.layers = 1, .tokens = 4}), options);
  std::vector<OpId> order = program_order(graph), fused;
  const OpGraph ops = op_graph(graph);
  std::vector<size_t> waits(order.size());
  for (size_t i = 0; i < waits.size(); ++i) waits[i] = boost::in_degree(i, ops);
  const std::function<void(OpId)> run = [&](OpId id) {
    fused.push_back(id);
    for (auto [e, end] = boost::out_edges(static_cast<size_t>(id), ops); e != end; ++e) {
      const auto next = boost::target(*e, ops);
      if (--waits[next] == 0 && graph.ops()[next].phase == Phase::optimizer) run(static_cast<OpId>(next));
    }
  };
  for (OpId id : order)
    if (graph.op(id).phase != Phase::optimizer) run(id);
  const auto peak = [&](const std::vector<OpId>& o) {
    const std::vector<int64_t> live = live_bytes(make_schedule(graph, o, kDevice), 64);
    return *std::max_element(live.begin(), live.end());
  };
  EXPECT_LT(peak(fused), peak(order));
}

TEST(Schedule, RepeatsOnlyBodiesThatLeaveNothingTransientToTheOptimizer) {
  const auto check = [](const Graph& graph) {
    std::vector<OpId> order(graph.ops().size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<OpId>(i);
    const Schedule schedule = make_schedule(graph, order, kDevice);
    return error_of([&] { check_repeatable(graph, schedule); });
  };
  EXPECT_EQ(check(test::llama({.micro_batches = 2})), "no error");
  EXPECT_THAT(check(test::llama({.micro_batches = 1})), HasSubstr("only the last micro-batch's is left"));

  Graph early("early");
  const ValueId x = early.add_source("x", {DType::f32, {4, 8}}, Category::input);
  const ValueId sum = early.add_source("sum", {DType::f32, {4, 8}}, Category::gradient);
  early.add({"accumulate", "add_x", {sum, x}, {}, "", Phase::optimizer});
  const ValueId y = early.add({"add", "y", {x, x}, {}, "", Phase::backward});
  early.mark_output(y);
  EXPECT_THAT(check(early), HasSubstr("the optimizer runs after all micro-batches"));
}

TEST(WithoutDeadSteps, DropsJustWhatNobodyReads) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    test::RandomGraph random(seed);
    const Graph& graph = random.graph();
    const std::vector<OpId> order = random.order();
    // The oracle looks for one dead step at a time.
    std::vector<OpId> expected = order;
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t s = 0; s < expected.size() && !changed; ++s) {
        if (std::find(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(s), expected[s]) ==
            expected.begin() + static_cast<std::ptrdiff_t>(s))
          continue;
        bool read = false;
        for (ValueId v : graph.op(expected[s]).outputs)
          for (size_t t = s + 1; v != kNone && t < expected.size(); ++t) {
            const Op& later = graph.op(expected[t]);
            read = read || std::count(later.inputs.begin(), later.inputs.end(), v);
            if (std::count(later.outputs.begin(), later.outputs.end(), v)) break;
          }
        if (read) continue;
        expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(s));
        changed = true;
      }
    }
    EXPECT_EQ(without_dead_steps(graph, order), expected);
  }
}

}  // namespace
}  // namespace tidemark
