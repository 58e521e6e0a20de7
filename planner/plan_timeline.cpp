#include "planner/plan_timeline.h"

#include <algorithm>
#include <unordered_set>

#include "base/json_file.h"
#include "base/live_bytes.h"
#include "planner/arena/alignment.h"
#include "planner/plan_fields.h"

namespace tidemark {
namespace {

using nlohmann::json;
using plan_io::Fields;

using PhaseStarts = std::array<int32_t, kPhaseCount>;

PhaseStarts read_phases(const Fields& root, int64_t steps) {
  const Fields phases = root.object("phases");
  PhaseStarts starts{};
  for (size_t p = 0; p < starts.size(); ++p) {
    const int64_t least = p == 0 ? 0 : starts[p - 1];
    starts[p] = static_cast<int32_t>(phases.integer(kPhaseNames[p].data(), least, p == 0 ? 0 : steps));
  }
  phases.finish();
  return starts;
}

std::vector<PlannedStep> read_steps(const Fields& root, int micro_batches) {
  const std::vector<std::string> order = root.texts("order");
  if (order.empty() || order.size() > INT32_MAX) root.fail("order", "it has no steps, or too many");
  const PhaseStarts starts = read_phases(root, static_cast<int64_t>(order.size()));
  const std::vector<double> seconds = plan_io::step_seconds(root, starts, order.size(), micro_batches);
  std::vector<PlannedStep> steps(order.size());
  std::unordered_set<std::string_view> seen;
  for (size_t s = 0; s < steps.size(); ++s) {
    const auto after = std::upper_bound(starts.begin(), starts.end(), static_cast<int32_t>(s));
    steps[s] = {.op = order[s],
                .phase = static_cast<Phase>(after - starts.begin() - 1),
                .recompute = !seen.insert(order[s]).second,
                .seconds = seconds[s]};
  }
  return steps;
}

Category read_category(const Fields& fields) {
  const std::string name = fields.text("category");
  const auto known = std::find(kCategoryNames.begin(), kCategoryNames.end(), name);
  if (known == kCategoryNames.end()) fields.fail("category", "there is no such category");
  return static_cast<Category>(known - kCategoryNames.begin());
}

PlannedBuffer read_buffer(const Fields& fields, int64_t steps, int64_t arena_bytes) {
  PlannedBuffer b;
  b.values = fields.texts("values");
  b.category = read_category(fields);
  b.bytes = rounded_up(fields.integer("bytes", 0, arena_bytes), kArenaAlignment);
  b.offset = fields.integer("offset", 0, arena_bytes);
  if (b.offset > arena_bytes - b.bytes) fields.fail("offset", "its end is above predicted_peak_bytes");
  b.first_step = static_cast<int32_t>(fields.integer("first_step", 0, steps - 1));
  b.last_step = static_cast<int32_t>(fields.integer("last_step", b.first_step, steps - 1));
  b.persistent = fields.boolean("persistent");
  if (b.persistent && (b.first_step > 0 || b.last_step < steps - 1))
    fields.fail("persistent", "it does not live at all steps");
  fields.finish();
  return b;
}

void read_buffers(const Fields& root, PlanTimeline& plan) {
  const auto steps = static_cast<int64_t>(plan.steps.size());
  const size_t count = root.array("buffers").size();
  int64_t room = INT64_MAX;  // so that no sum of sizes overflows
  for (size_t i = 0; i < count; ++i) {
    plan.buffers.push_back(read_buffer(root.element("buffers", i), steps, plan.predicted_peak_bytes));
    if (plan.buffers.back().bytes > room) root.fail("buffers", "they come to more than 2^63 bytes");
    room -= plan.buffers.back().bytes;
  }
  plan.live = live_by_category(plan.buffers, plan.steps.size());
  const auto peak = std::max_element(plan.live.begin(), plan.live.end(),
                                     [](const auto& a, const auto& b) { return total(a) < total(b); });
  root.expect("live_bytes", total(*peak), "its buffers say otherwise");
  root.expect("peak_step", peak - plan.live.begin(), "its buffers say otherwise");
}

}  // namespace

PlanTimeline plan_timeline_from_json(const json& document, const std::string& where) {
  constexpr int64_t kMostBytes = int64_t{1} << 50;
  const Fields root(document, where);
  plan_io::expect_plan(root);
  const Fields settings = root.object("settings");
  PlanTimeline plan;
  plan.graph_name = root.object("graph").text("name");
  plan.strategy = settings.text("strategy");
  plan.cost_model = settings.text("cost_model");
  plan.micro_batches = static_cast<int>(root.integer("micro_batches", 1, 1 << 20));
  plan.budget_bytes = root.integer("budget_bytes", 0, INT64_MAX);
  plan.predicted_peak_bytes = root.integer("predicted_peak_bytes", 0, kMostBytes);
  plan.unplanned_peak_bytes = root.integer("unplanned_peak_bytes", 0, INT64_MAX);
  plan.predicted_seconds = root.number("predicted_seconds");
  plan.unplanned_seconds = root.number("unplanned_seconds");
  plan.gap = root.number("gap");
  plan.steps = read_steps(root, plan.micro_batches);
  read_buffers(root, plan);
  return plan;
}

PlanTimeline load_plan_timeline(const std::string& path) {
  return plan_timeline_from_json(read_json(path, plan_io::kReading), path);
}

}  // namespace tidemark
