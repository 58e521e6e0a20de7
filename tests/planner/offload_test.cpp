// What leaves the arena comes back as it was, in time, and is paid for.
#include "planner/offload/offload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "planner/offload/bound.h"
#include "planner/offload/choose.h"
#include "planner/planner.h"
#include "planner/remat/lower_bound.h"
#include "tests/planner/graphs.h"
#include "tests/planner/random_graph.h"
#include "tests/planner/symbolic_run.h"

namespace tidemark {
namespace {

using testing::HasSubstr;

constexpr DeviceTraits kDevice{.threads = 2};
constexpr HostLink kLink{.bytes_per_second = 1e9, .overlaps = true};

int64_t peak(const Schedule& schedule) {
  const std::vector<int64_t> live = live_bytes(schedule, kArenaAlignment);
  return *std::max_element(live.begin(), live.end());
}

/// A random graph in a random order.
struct Case {
  explicit Case(unsigned seed)
      : random(seed), schedule(make_schedule(random.graph(), random.order(), kDevice)) {}
  test::RandomGraph random;
  Schedule schedule;
};

void expect_holds(const Graph& graph, const Schedule& schedule) {
  test::expect_runs(graph, schedule, test::Copies::early);
  test::expect_runs(graph, schedule, test::Copies::late);
  for (const Transfer& t : schedule.transfers) {
    const Buffer& b = schedule.buffers[static_cast<size_t>(t.buffer)];
    EXPECT_LE(b.first_step, t.begin);
    EXPECT_GE(b.last_step, t.end - 1);
    EXPECT_EQ(b.bytes, schedule.host_buffers[static_cast<size_t>(t.host)].bytes);
  }
}

TEST(Offload, WhatIsChosenFitsAndReadsWhatItMeansTo) {
  int away = 0, fitted = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    const Case c(seed);
    const Graph& graph = c.random.graph();
    std::mt19937 random(seed);
    std::vector<double> seconds(c.schedule.steps.size());
    for (double& s : seconds) s = 1e-6 * static_cast<double>(random() % 40);
    const OffloadProblem problem{graph, c.schedule, seconds, kLink, {}, 1};
    const int64_t unplanned = peak(c.schedule);
    for (int percent : {95, 85, 70, 1}) {
      const int64_t room = unplanned * percent / 100;
      Schedule schedule = c.schedule;
      const std::vector<Offload> offloads = choose_offloads(problem, room);
      apply_offloads(graph, offloads, schedule);
      expect_holds(graph, schedule);
      EXPECT_LE(peak(schedule), unplanned);
      away += static_cast<int>(offloads.size());
      if (peak(schedule) <= room) ++fitted;
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(away, 500);
  EXPECT_GT(fitted, 200);
}

// However values go and come back, the step takes no less than the bound of the room that it needs.
TEST(Offload, NothingIsFasterThanTheBound) {
  const Graph graph = test::llama({.layers = 2, .tokens = 64});
  const Schedule unplanned = make_schedule(graph, program_order(graph), kDevice);
  int above_unplanned = 0;
  for (unsigned seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<double> op_seconds(graph.ops().size()), seconds;
    for (double& s : op_seconds) s = 1e-6 * static_cast<double>(random() % 40);
    for (const Step& step : unplanned.steps) seconds.push_back(op_seconds[static_cast<size_t>(step.op)]);
    SearchGraph search = make_search_graph(graph, op_seconds, kDevice, 1);
    for (SearchGraph::Op& op : search.ops) op.recomputable = op.recomputable && random() % 2 == 0;
    const HostLink link{.bytes_per_second = 1e7 * (1 + seed % 5), .overlaps = seed % 3 > 0};
    for (int percent : {95, 80, 1}) {
      Schedule schedule = unplanned;
      const OffloadProblem problem{graph, unplanned, seconds, link, {}, 1};
      apply_offloads(graph, choose_offloads(problem, peak(unplanned) * percent / 100), schedule);
      const double taken = seconds_with_copies(graph, schedule, seconds, 1, link);
      const double bound = offload_lower_bound(search, peak(schedule) - search.persistent_bytes, {}, 0, link,
                                               search.seconds_once(), 10 * taken);
      EXPECT_LE(bound, taken * (1 + 1e-9)) << percent;
      if (bound > search.seconds_once() * 1.01) ++above_unplanned;
    }
  }
  EXPECT_GT(above_unplanned, 10);
}

// Nothing can be run again here, so that what is missing has to come back over the link.
TEST(Offload, TheBoundKnowsHowMuchHasToComeBack) {
  const Graph graph = test::llama({.layers = 4, .width = 64, .heads = 2, .inner = 160, .tokens = 1024});
  SearchGraph search = make_search_graph(graph, std::vector<double>(graph.ops().size(), 1e-6), kDevice, 1);
  for (SearchGraph::Op& op : search.ops) op.recomputable = false;
  int64_t least = 0;  // as long as nothing leaves
  for (int64_t step = int64_t{1} << 30; step >= 64; step /= 2)
    if (!std::isfinite(lower_bound(search, least + step).seconds)) least += step;
  const int64_t missing = 1'000'000;
  const double once = search.seconds_once();
  const auto bound = [&](const HostLink& link, const OffloadKinds& kinds, int64_t state_bytes) {
    return offload_lower_bound(search, least - missing, kinds, state_bytes, link, once, 100 * once);
  };
  const double over_link = static_cast<double>(missing) / 1e9;
  ASSERT_GT(over_link, once);
  EXPECT_NEAR(bound({.bytes_per_second = 1e9, .overlaps = true}, {}, 0), over_link, once);
  EXPECT_NEAR(bound({.bytes_per_second = 1e9, .overlaps = false}, {}, 0), once + 2 * over_link, once);
  EXPECT_EQ(bound({.bytes_per_second = 1e15, .overlaps = true}, {}, 0), once);
  // States alone that are fewer than what is missing do not do, however long the step.
  EXPECT_NEAR(bound({.bytes_per_second = 1e9, .overlaps = true}, {.activations = false}, missing / 2),
              100 * once, once);
}

// Whatever a plan's file says, it is refused or it holds.
TEST(Offload, AnyWindowsHoldOrAreRefused) {
  int held = 0, refused = 0;
  for (unsigned seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(seed);
    const Case c(seed);
    const Graph& graph = c.random.graph();
    std::mt19937 random(seed);
    const auto steps = static_cast<int32_t>(c.schedule.steps.size());
    const auto some = [&](int32_t least) { return least + static_cast<int32_t>(random() % 4); };
    Schedule schedule = c.schedule;
    std::vector<Absence> absences = find_absences(graph, schedule, {}, 1);
    std::shuffle(absences.begin(), absences.end(), random);
    std::vector<Offload> offloads;
    for (const Absence& a : absences) {
      if (offloads.size() == 3) break;
      Offload o{a.value, {some(a.made), 0}, {0, some(a.to - 3)}};
      if (a.state) o = {a.value, {some(a.to), 0}, {0, some(a.from - 3)}};
      o.to_host.end = some(o.to_host.begin);
      o.from_host.begin = o.from_host.end - some(0);
      if (random() % 20 == 0)
        o.to_host.end = static_cast<int32_t>(random() % static_cast<unsigned>(steps + 2));
      offloads.push_back(o);
    }
    try {
      apply_offloads(graph, offloads, schedule);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("cannot offload: '"));
      ++refused;
      continue;
    }
    ++held;
    expect_holds(graph, schedule);
    if (HasFailure()) return;
  }
  EXPECT_GT(held, 60);
  EXPECT_GT(refused, 40);
}

TEST(Offload, CopiesThatDoNotOverlapAddUp) {
  const Graph graph = test::llama({.layers = 2, .tokens = 256});
  PlanRequest request;
  request.device.threads = 2;
  request.times = analytic_times(graph, cpu_speed(2));
  request.strategy = "keep-all";
  const Plan keep = *make_plan(graph, request).plan;
  Schedule schedule = keep.schedule;
  apply_offloads(
      graph,
      choose_offloads({graph, keep.schedule, keep.step_seconds, kLink, {}, 1}, keep.live_bytes * 8 / 10),
      schedule);
  ASSERT_FALSE(schedule.transfers.empty());
  double copies = 0;
  for (const Transfer& t : schedule.transfers)
    copies += kLink.seconds(schedule.host_buffers[static_cast<size_t>(t.host)].bytes);
  const auto seconds = [&](bool overlaps) {
    return seconds_with_copies(graph, schedule, keep.step_seconds, 1, {kLink.bytes_per_second, overlaps});
  };
  EXPECT_NEAR(seconds(false), keep.predicted_seconds + copies, 1e-9);
  EXPECT_LE(seconds(true), seconds(false));
  EXPECT_GE(seconds(true), keep.predicted_seconds);
}

/// make_plan() with offloads on, of a small Llama over a link as fast as a GPU's.
class OffloadPlan : public testing::Test {
 protected:
  OffloadPlan() {
    request_.device.threads = 1;
    request_.times = analytic_times(graph_, cpu_speed(1));
    request_.strategy = "sqrt";
    request_.host_link = {.bytes_per_second = 20e9, .overlaps = true};
    unplanned_ = make_plan(graph_, request_).unplanned_peak_bytes;
  }
  PlanResult plan(int percent, OffloadKinds kinds) {
    request_.offload = kinds;
    request_.budget_bytes = unplanned_ * percent / 100;
    return make_plan(graph_, request_);
  }

  Graph graph_ = test::llama({.layers = 4, .width = 64, .heads = 2, .inner = 160, .tokens = 1024});
  PlanRequest request_;
  int64_t unplanned_ = 0;
};

TEST_F(OffloadPlan, IsNeverSlowerThanRecomputingAlone) {
  int offloaded = 0;
  for (int percent : {80, 60, 40}) {
    const PlanResult alone = plan(percent, {false, false});
    for (const OffloadKinds& kinds : {OffloadKinds{true, true}, {true, false}, {false, true}}) {
      const PlanResult with = plan(percent, kinds);
      if (!kinds.activations && !with.plan) continue;
      ASSERT_TRUE(with.plan) << percent;
      EXPECT_LE(with.plan->arena_bytes, request_.budget_bytes);
      if (alone.plan) {
        EXPECT_LE(with.plan->predicted_seconds, alone.plan->predicted_seconds);
      }
      EXPECT_GE(with.plan->predicted_seconds, with.plan->lower_bound_seconds);
      EXPECT_GE(with.plan->lower_bound_seconds, with.plan->unplanned_seconds * (1 - 1e-9));
      expect_holds(graph_, with.plan->schedule);
      offloaded += with.plan->offloads.empty() ? 0 : 1;
    }
  }
  EXPECT_GE(offloaded, 4);
}

TEST_F(OffloadPlan, FitsBelowWhatRecomputingNeeds) {
  const PlanResult alone = plan(1, {false, false});
  const PlanResult with = plan(1, {true, true});
  ASSERT_FALSE(with.plan);
  EXPECT_LT(with.smallest_feasible_bytes, alone.smallest_feasible_bytes);
  request_.budget_bytes = with.smallest_feasible_bytes;
  const PlanResult smallest = make_plan(graph_, request_);
  ASSERT_TRUE(smallest.plan);
  EXPECT_LE(smallest.plan->arena_bytes, request_.budget_bytes);
  EXPECT_GT(smallest.plan->host_bytes, 0);
}

TEST_F(OffloadPlan, ComesBackFromItsFile) {
  const Plan plan = *this->plan(40, {true, true}).plan;
  ASSERT_FALSE(plan.offloads.empty());
  const nlohmann::json document = to_json(plan, graph_);
  const Plan back = plan_from_json(document, graph_, "plan.json");
  EXPECT_EQ(to_json(back, graph_), document);
  EXPECT_EQ(back.schedule.transfers, plan.schedule.transfers);
  EXPECT_EQ(back.schedule.buffers, plan.schedule.buffers);
}

// A window may be another one that holds; nothing else may change.
TEST_F(OffloadPlan, IsRefusedWhereItsFileWasChanged) {
  const Plan plan = *this->plan(40, {true, true}).plan;
  const nlohmann::json document = to_json(plan, graph_), flat = document.flatten();
  int refused = 0;
  for (const auto& [path, value] : flat.items()) {
    if (!path.starts_with("/offloads") && !path.starts_with("/host") && !path.starts_with("/copy")) continue;
    nlohmann::json changed = document;
    nlohmann::json& leaf = changed[nlohmann::json::json_pointer(path)];
    if (leaf.is_boolean())
      leaf = !leaf.get<bool>();
    else if (leaf.is_number_float())
      leaf = leaf.get<double>() + 0.25;
    else if (leaf.is_number())
      leaf = leaf.get<int64_t>() + 1;
    else
      leaf = leaf.get<std::string>() + "x";
    try {
      const Plan back = plan_from_json(changed, graph_, "plan.json");
      EXPECT_TRUE(path.find("to_host") != std::string::npos || path.find("from_host") != std::string::npos)
          << path;
      expect_holds(graph_, back.schedule);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("cannot read the plan: plan.json")) << path;
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
  for (const nlohmann::json& window :
       {nlohmann::json(3), nlohmann::json::array({1}), nlohmann::json::array({-1, 2}),
        nlohmann::json::array({1, 1e9}), nlohmann::json::array({0, int64_t{1} << 40})}) {
    nlohmann::json changed = document;
    changed["offloads"][0]["to_host"] = window;
    EXPECT_THROW(plan_from_json(changed, graph_, "plan.json"), Error) << window;
  }
}

TEST_F(OffloadPlan, WantsALink) {
  request_.host_link = {};
  try {
    plan(50, {true, true});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("host_bytes_per_second"));
  }
}

}  // namespace
}  // namespace tidemark
