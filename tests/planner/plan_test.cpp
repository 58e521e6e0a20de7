#include "planner/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"
#include "planner/planner.h"
#include "tests/planner/graphs.h"

namespace tidemark {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// A plan that recomputes, for a small model.
class PlanFile : public testing::Test {
 protected:
  PlanFile() {
    PlanRequest request;
    request.device.threads = 2;
    request.times = analytic_times(graph_, cpu_speed(2));
    const int64_t unplanned = make_plan(graph_, request).unplanned_peak_bytes;
    request.budget_bytes = unplanned * 92 / 100;
    plan_ = *make_plan(graph_, request).plan;
    document_ = to_json(plan_, graph_);
  }

  Plan read(const json& document) const { return plan_from_json(document, graph_, "plan.json"); }

  std::string error_of(const json& document) const {
    try {
      read(document);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  Graph graph_ = test::llama({.layers = 1, .tokens = 256});
  Plan plan_;
  json document_;
};

TEST_F(PlanFile, ComesBackAsItWas) {
  ASSERT_GT(plan_.schedule.steps.size(), graph_.ops().size()) << "the plan should recompute something";
  const Plan back = read(document_);
  EXPECT_EQ(to_json(back, graph_), document_);
  EXPECT_EQ(back.schedule.buffers, plan_.schedule.buffers);
  EXPECT_EQ(back.offsets, plan_.offsets);
  EXPECT_EQ(back.decisions, plan_.decisions);
}

TEST_F(PlanFile, DecisionsSayWhatRunsTwice) {
  for (size_t v = 0; v < graph_.values().size(); ++v) {
    const OpId producer = graph_.values()[v].producer;
    int runs = 0;
    for (const Step& step : plan_.schedule.steps) runs += step.op == producer ? 1 : 0;
    EXPECT_EQ(plan_.decisions[v] == Decision::recompute, runs > 1 && producer != kNone);
  }
}

TEST_F(PlanFile, CategoriesAddUpToThePeak) {
  int64_t sum = 0;
  for (int64_t bytes : plan_.peak_by_category) sum += bytes;
  EXPECT_EQ(sum, plan_.live_bytes);
  EXPECT_GE(plan_.arena_bytes, plan_.live_bytes);
  EXPECT_EQ(plan_.arena_bytes % plan_.device.page_bytes, 0);
}

/// Changes one leaf so that it stays of its type.
void tamper(json& leaf) {
  if (leaf.is_boolean())
    leaf = !leaf.get<bool>();
  else if (leaf.is_number_float())
    leaf = leaf.get<double>() * 1.5 + 0.25;
  else if (leaf.is_number())
    leaf = leaf.get<int64_t>() + 1;
  else if (leaf.is_array())
    leaf.push_back("x");
  else
    leaf = leaf.get<std::string>() + "x";
}

TEST_F(PlanFile, RefusesEveryFieldThatWasChanged) {
  // What says how the plan came about, and nothing about what it does.
  const std::vector<std::string> free = {"/settings/strategy", "/settings/cost_model", "/solve_seconds",
                                         "/unplanned_peak_bytes", "/budget_bytes"};
  int tried = 0;
  const json flat = document_.flatten();
  for (const auto& [path, value] : flat.items()) {
    if (std::count(free.begin(), free.end(), path)) continue;
    json changed = document_;
    tamper(changed[json::json_pointer(path)]);
    const std::string message = error_of(changed);
    EXPECT_THAT(message, HasSubstr("cannot read the plan: plan.json")) << path;
    // A consequence may be named in place of its cause.
    const bool causes = path.starts_with("/device") || path == "/micro_batches" ||
                        path.starts_with("/order") || path.ends_with("_seconds");
    if (!causes) {
      const std::string field = path.substr(1, path.find('/', 1) - 1);
      EXPECT_THAT(message, HasSubstr(field)) << path;
    }
    ++tried;
  }
  EXPECT_GT(tried, 300);
}

TEST_F(PlanFile, RefusesMissingUnknownAndMistypedFields) {
  for (const auto& [key, value] : document_.items()) {
    json missing = document_;
    missing.erase(key);
    EXPECT_THAT(error_of(missing), HasSubstr(key)) << "missing";
    for (const json& other :
         {json(nullptr), json("text"), json(-1), json(1.5), json::array(), json::object()}) {
      json mistyped = document_;
      if (mistyped[key] == other || (other.is_number_float() && value.is_number_float())) continue;
      if (other.is_string() && value.is_string()) continue;
      mistyped[key] = other;
      EXPECT_THAT(error_of(mistyped), HasSubstr(key)) << other;
    }
  }
  json unknown = document_;
  unknown["colour"] = true;
  EXPECT_THAT(error_of(unknown), HasSubstr("colour"));
  EXPECT_THAT(error_of(json::array()), HasSubstr("not a JSON object"));
}

TEST_F(PlanFile, RefusesWhatDoesNotHold) {
  json overlap = document_;
  const size_t last = plan_.offsets.size() - 1;
  overlap["buffers"][last]["offset"] = 0;
  EXPECT_THAT(error_of(overlap), HasSubstr("buffers: offset"));
  json huge = document_;
  huge["buffers"][last]["offset"] = INT64_MAX;
  EXPECT_THAT(error_of(huge), HasSubstr("offset"));
  json poor = document_;
  poor["budget_bytes"] = plan_.arena_bytes - 1;
  EXPECT_THAT(error_of(poor), HasSubstr("budget_bytes"));
  json future = document_;
  future["version"] = 2;
  EXPECT_THAT(error_of(future), HasSubstr("version"));
  json parallel = document_;
  parallel["mesh"]["tensor"] = 2;
  EXPECT_THAT(error_of(parallel), HasSubstr("mesh: tensor"));
}

TEST_F(PlanFile, RefusesThePlanOfAnotherGraph) {
  const Graph other = test::llama({.layers = 2, .tokens = 192});
  try {
    plan_from_json(document_, other, "plan.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("fingerprint"));
    EXPECT_THAT(error.what(), HasSubstr("another graph"));
  }
}

TEST_F(PlanFile, SurvivesRandomDamage) {
  const std::string text = document_.dump(1);
  std::mt19937 random(9);
  int refused = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string damaged = text;
    for (unsigned k = 0; k <= random() % 3; ++k) {
      const size_t at = random() % damaged.size();
      switch (random() % 3) {
        case 0: damaged[at] = static_cast<char>(random() % 256); break;
        case 1: damaged.erase(at, 1 + random() % 40); break;
        default: damaged.insert(at, damaged.substr(random() % damaged.size(), random() % 40));
      }
    }
    try {
      const Plan plan = read(parse_json(damaged, "plan.json", "cannot read the plan"));
      // Only what says how the plan came about can have changed.
      EXPECT_EQ(plan.schedule.buffers, plan_.schedule.buffers);
      EXPECT_EQ(plan.offsets, plan_.offsets);
      EXPECT_EQ(plan.arena_bytes, plan_.arena_bytes);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST_F(PlanFile, IsSavedWholeOrNotAtAll) {
  const std::string path = testing::TempDir() + "tidemark_plan_test.json";
  save_plan(plan_, graph_, path);
  EXPECT_EQ(load_plan(path, graph_).offsets, plan_.offsets);

  // A disk that fills up: files may grow to 1 KiB only.
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{1024, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  try {
    save_plan(plan_, graph_, path);
    ADD_FAILURE() << "the file should not have fitted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::failure);
    EXPECT_THAT(error.what(), HasSubstr("cannot save the plan: " + path));
  }
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(load_plan(path, graph_).offsets, plan_.offsets) << "the old file must stay";
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace tidemark
