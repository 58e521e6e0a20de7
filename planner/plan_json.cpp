#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"
#include "graph/serialize.h"
#include "planner/plan.h"
#include "planner/plan_fields.h"

namespace tidemark {
namespace {

using nlohmann::json;
using plan_io::Fields;

// Of all decisions a plan can make about devices, this version has none.
constexpr std::array<const char*, 5> kMeshAxes = {"data", "tensor", "pipeline", "expert", "context"};

const char* name_of(Decision d) {
  switch (d) {
    case Decision::keep: return "keep";
    case Decision::recompute: return "recompute";
    case Decision::offload: break;
  }
  return "offload";
}

json window_to_json(const CopyWindow& window) {
  return {window.begin, window.end};
}

json offload_to_json(const Offload& o, const Graph& graph) {
  return {{"value", graph.value(o.value).name},
          {"to_host", window_to_json(o.to_host)},
          {"from_host", window_to_json(o.from_host)}};
}

json host_buffer_to_json(const HostBuffer& h, int64_t offset, const Graph& graph) {
  return {{"value", graph.value(h.value).name}, {"offset", offset},         {"bytes", h.bytes},
          {"first_step", h.first_step},         {"last_step", h.last_step}, {"persistent", h.persistent}};
}

json buffer_to_json(const Buffer& b, int64_t offset, const Graph& graph) {
  json values = json::array();
  for (ValueId v : b.values) values.push_back(graph.value(v).name);
  return {{"values", std::move(values)}, {"offset", offset},         {"bytes", b.bytes},
          {"first_step", b.first_step},  {"last_step", b.last_step}, {"category", name_of(b.category)},
          {"persistent", b.persistent}};
}

PlanDevice read_device(const Fields& root) {
  const Fields device = root.object("device");
  PlanDevice d;
  d.name = device.text("name");
  d.threads = static_cast<int>(device.integer("threads", 1, 4096));
  d.page_bytes = device.integer("page_bytes", 1, int64_t{1} << 40);
  device.finish();
  return d;
}

void check_header(const Fields& root, const Graph& graph) {
  plan_io::expect_plan(root);
  const Fields about = root.object("graph");
  about.text("name");
  if (about.text("fingerprint") != fingerprint(graph))
    about.fail("fingerprint", "the plan is for another graph, '" + about.text("name") + "'",
               "plan again for the model, batch, length, dtype and chunks of the loss of this run");
  about.finish();
  const Fields mesh = root.object("mesh");
  for (const char* axis : kMeshAxes) mesh.expect(axis, 1, "only one device is supported");
  mesh.finish();
  root.expect("zero_stage", 0, "sharded optimizer states are not supported");
}

std::vector<OpId> read_order(const Fields& root, const Graph& graph) {
  std::unordered_map<std::string_view, OpId> ops;
  for (size_t i = 0; i < graph.ops().size(); ++i) ops.emplace(graph.ops()[i].name, static_cast<OpId>(i));
  std::vector<OpId> order;
  const json& list = root.array("order");
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string field = "order[" + std::to_string(i) + "]";
    const auto found = list[i].is_string() ? ops.find(list[i].get_ref<const std::string&>()) : ops.end();
    if (found == ops.end()) root.fail(field, "there is no such op in the graph", "plan again");
    order.push_back(found->second);
  }
  return order;
}

CopyWindow read_window(const Fields& offload, const char* key, size_t steps) {
  const json& window = offload.array(key);
  const auto point = [&](size_t i) {
    if (!window[i].is_number_integer() || window[i] < 0 || window[i] > steps)
      offload.fail(key, "it is not a point of the order");
    return window[i].get<int32_t>();
  };
  if (window.size() != 2) offload.fail(key, "it is not a pair of points");
  return {point(0), point(1)};
}

void read_offloads(const Fields& root, const Graph& graph, Plan& plan) {
  const size_t steps = plan.schedule.steps.size();
  for (size_t i = 0; i < root.array("offloads").size(); ++i) {
    const Fields offload = root.element("offloads", i);
    const ValueId value = graph.find(offload.text("value"));
    if (value == kNone) offload.fail("value", "there is no such value in the graph", "plan again");
    plan.offloads.push_back(
        {value, read_window(offload, "to_host", steps), read_window(offload, "from_host", steps)});
    offload.finish();
  }
  try {
    apply_offloads(graph, plan.offloads, plan.schedule);
  } catch (const Error& error) {
    root.fail("offloads", error.what(), {});
  }
}

/// The offsets of a list of buffers, of which derived(i) is what the rest must be. `source`: what it follows
/// from.
template <typename Derived>
std::vector<int64_t> read_offsets(const Fields& root, const char* list, size_t count, const Derived& derived,
                                  const std::string& source) {
  const size_t found = root.array(list).size();
  if (found != count)
    root.fail(list, std::to_string(count) + " of them follow from the " + source + ", not " +
                        std::to_string(found));
  std::vector<int64_t> offsets;
  for (size_t i = 0; i < count; ++i) {
    const Fields buffer = root.element(list, i);
    const json expected = derived(i);
    for (const auto& [key, value] : expected.items())
      if (key != "offset") buffer.expect(key.c_str(), value, "it does not follow from the " + source);
    offsets.push_back(buffer.integer("offset", 0, INT64_MAX / 2));
    buffer.finish();
  }
  return offsets;
}

void read_buffers(const Fields& root, const Graph& graph, Plan& plan) {
  const std::vector<HostBuffer>& hosts = plan.schedule.host_buffers;
  const std::vector<Buffer>& buffers = plan.schedule.buffers;
  const auto host = [&](size_t i) { return host_buffer_to_json(hosts[i], 0, graph); };
  const auto buffer = [&](size_t i) { return buffer_to_json(buffers[i], 0, graph); };
  plan.host_offsets = read_offsets(root, "host_buffers", hosts.size(), host, "offloads");
  plan.offsets = read_offsets(root, "buffers", buffers.size(), buffer, "order");
}

void check_derived(const Fields& root, const Graph& graph, const Plan& plan) {
  const json derived = to_json(plan, graph);
  for (const char* key :
       {"predicted_peak_bytes", "host_bytes", "live_bytes", "peak_step", "categories", "decisions", "phases"})
    root.expect(key, derived.at(key), "it does not follow from the order and the offsets");
  if (plan.budget_bytes > 0 && plan.arena_bytes > plan.budget_bytes)
    root.fail("budget_bytes", "the plan needs " + std::to_string(plan.arena_bytes) + " bytes, which is more");
}

void read_seconds(const Fields& root, Plan& plan) {
  const std::vector<Phase> phases = plan_io::step_phases(root, plan.schedule.steps.size());
  plan.step_seconds = plan_io::step_seconds(root, phases, plan.micro_batches);
  plan.predicted_seconds = root.number("predicted_seconds");
  plan.unplanned_seconds = root.number("unplanned_seconds");
  plan.lower_bound_seconds = root.number("lower_bound_seconds");
  plan.copy_seconds = root.number("copy_seconds");
  plan.solve_seconds = root.number("solve_seconds");
  plan.gap = root.number("gap");
  const double slack = 1e-9 * plan.predicted_seconds;
  if (plan.lower_bound_seconds > plan.predicted_seconds + slack)
    root.fail("lower_bound_seconds", "it is above predicted_seconds");
  if (plan.unplanned_seconds > plan.lower_bound_seconds + slack)
    root.fail("unplanned_seconds", "it is above lower_bound_seconds");
  if (std::abs(plan.lower_bound_seconds * (1 + plan.gap) - plan.predicted_seconds) > slack)
    root.fail("gap", "it is not predicted_seconds / lower_bound_seconds - 1");
}

}  // namespace

json to_json(const Plan& plan, const Graph& graph) {
  json decisions = json::object(), order = json::array(), buffers = json::array(), offloads = json::array(),
       host_buffers = json::array(), categories = json::object(), mesh = json::object(),
       phases = json::array();
  for (size_t v = 0; v < plan.decisions.size(); ++v)
    decisions[graph.values()[v].name] = name_of(plan.decisions[v]);
  for (const Step& step : plan.schedule.steps) {
    order.push_back(graph.op(step.op).name);
    phases.push_back(name_of(graph.op(step.op).phase));
  }
  for (size_t b = 0; b < plan.schedule.buffers.size(); ++b)
    buffers.push_back(buffer_to_json(plan.schedule.buffers[b], plan.offsets.at(b), graph));
  for (const Offload& o : plan.offloads) offloads.push_back(offload_to_json(o, graph));
  for (size_t h = 0; h < plan.schedule.host_buffers.size(); ++h)
    host_buffers.push_back(
        host_buffer_to_json(plan.schedule.host_buffers[h], plan.host_offsets.at(h), graph));
  for (size_t c = 0; c < plan.peak_by_category.size(); ++c)
    categories[std::string(kCategoryNames[c])] = plan.peak_by_category[c];
  for (const char* axis : kMeshAxes) mesh[axis] = 1;
  return {
      {"format", plan_io::kFormat},
      {"version", plan_io::kVersion},
      {"graph", {{"name", plan.graph_name}, {"fingerprint", plan.graph_fingerprint}}},
      {"device",
       {{"name", plan.device.name},
        {"threads", plan.device.threads},
        {"page_bytes", plan.device.page_bytes}}},
      {"mesh", std::move(mesh)},
      {"zero_stage", 0},
      {"micro_batches", plan.micro_batches},
      {"budget_bytes", plan.budget_bytes},
      {"settings", {{"strategy", plan.strategy}, {"cost_model", plan.cost_model}}},
      {"predicted_peak_bytes", plan.arena_bytes},
      {"host_bytes", plan.host_bytes},
      {"live_bytes", plan.live_bytes},
      {"peak_step", plan.peak_step},
      {"categories", std::move(categories)},
      {"unplanned_peak_bytes", plan.unplanned_peak_bytes},
      {"predicted_seconds", plan.predicted_seconds},
      {"copy_seconds", plan.copy_seconds},
      {"unplanned_seconds", plan.unplanned_seconds},
      {"lower_bound_seconds", plan.lower_bound_seconds},
      {"gap", plan.gap},
      {"solve_seconds", plan.solve_seconds},
      {"decisions", std::move(decisions)},
      {"order", std::move(order)},
      {"phases", std::move(phases)},
      {"step_seconds", plan.step_seconds},
      {"offloads", std::move(offloads)},
      {"buffers", std::move(buffers)},
      {"host_buffers", std::move(host_buffers)},
  };
}

Plan plan_from_json(const json& document, const Graph& graph, const std::string& where) {
  const Fields root(document, where);
  check_header(root, graph);
  Plan plan;
  plan.device = read_device(root);
  plan.micro_batches = static_cast<int>(root.integer("micro_batches", 1, 1 << 20));
  plan.budget_bytes = root.integer("budget_bytes", 0, INT64_MAX);
  const Fields settings = root.object("settings");
  plan.strategy = settings.text("strategy");
  plan.cost_model = settings.text("cost_model");
  settings.finish();
  try {
    plan.schedule = make_schedule(graph, read_order(root, graph), traits_of(plan.device));
    read_offloads(root, graph, plan);
    read_buffers(root, graph, plan);
    finish_plan(graph, plan);
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(plan_io::kReading)) throw;
    throw Error(plan_io::kReading, where, error.what(), {});
  }
  root.object("graph").expect("name", plan.graph_name, "the plan is for another graph");
  plan.unplanned_peak_bytes = root.integer("unplanned_peak_bytes", 0, INT64_MAX);
  read_seconds(root, plan);
  check_derived(root, graph, plan);
  root.finish();
  return plan;
}

void save_plan(const Plan& plan, const Graph& graph, const std::string& path) {
  write_text_file(path, to_json(plan, graph).dump(1) + "\n", "cannot save the plan");
}

Plan load_plan(const std::string& path, const Graph& graph) {
  return plan_from_json(read_json(path, plan_io::kReading), graph, path);
}

}  // namespace tidemark
