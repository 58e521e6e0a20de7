#include "planner/plan.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "graph/serialize.h"
#include "planner/arena/arena.h"

namespace tidemark {
namespace {

/// Makes offsets, unless there are some, checks them, and returns their end. `field` names them.
int64_t place(const std::vector<ArenaBuffer>& buffers, std::vector<int64_t>& offsets, const char* field) {
  if (offsets.empty()) offsets = solve_arena(buffers).offsets;
  int64_t end = 0;
  for (size_t i = 0; i < buffers.size() && i < offsets.size(); ++i)
    end = std::max(end, offsets[i] + buffers[i].bytes);
  if (const std::string wrong = check_arena(buffers, offsets, end); !wrong.empty())
    throw Error("bad plan", field, wrong, "make the plan again");
  for (int64_t offset : offsets)
    if (offset % kArenaAlignment != 0)
      throw Error("bad plan", field, std::to_string(offset) + " is not a multiple of 64",
                  "make the plan again");
  return end;
}

std::vector<ArenaBuffer> host_arena_buffers(const Schedule& schedule) {
  std::vector<ArenaBuffer> buffers;
  for (const HostBuffer& h : schedule.host_buffers)
    buffers.push_back({rounded_up(h.bytes, kArenaAlignment), h.first_step, h.last_step});
  return buffers;
}

}  // namespace

PlanDevice plan_device(const std::string& name, int threads) {
  PlanDevice device{.name = name, .threads = threads};
  if (traits_of(device).kind == DeviceKind::cuda) device.page_bytes = int64_t{2} << 20;
  return device;
}

DeviceTraits traits_of(const PlanDevice& device) {
  if (device.name == "cpu") return {.threads = device.threads, .kind = DeviceKind::cpu};
  if (device.name == "cuda") return {.threads = device.threads, .kind = DeviceKind::cuda};
  throw Error("bad plan", "device: name", "there is no device '" + device.name + "'", "plan for cpu or cuda");
}

std::array<int32_t, kPhaseCount> phase_starts(const Graph& graph, const Schedule& schedule) {
  const auto steps = static_cast<int32_t>(schedule.steps.size());
  int32_t body = steps, backward = steps, end = 0;  // end: behind the last step of the body
  for (int32_t s = 0; s < steps; ++s) {
    const Phase phase = graph.op(schedule.steps[static_cast<size_t>(s)].op).phase;
    if (phase != Phase::prepare) body = std::min(body, s);
    if (phase == Phase::backward) backward = std::min(backward, s);
    if (phase == Phase::forward || phase == Phase::backward) end = s + 1;
  }
  end = std::max(end, body);
  return {0, body, std::min(backward, end), end};
}

std::vector<ArenaBuffer> arena_buffers(const Schedule& schedule) {
  std::vector<ArenaBuffer> buffers;
  buffers.reserve(schedule.buffers.size());
  for (const Buffer& b : schedule.buffers)
    buffers.push_back({.bytes = rounded_up(b.bytes, kArenaAlignment),
                       .first = b.first_step,
                       .last = b.last_step,
                       .bottom = b.persistent});
  return buffers;
}

void finish_plan(const Graph& graph, Plan& plan) {
  plan.graph_name = graph.name();
  plan.graph_fingerprint = fingerprint(graph);
  if (plan.micro_batches > 1) check_repeatable(graph, plan.schedule);
  plan.arena_bytes = rounded_up(place(arena_buffers(plan.schedule), plan.offsets, "buffers: offset"),
                                plan.device.page_bytes);
  plan.host_bytes = place(host_arena_buffers(plan.schedule), plan.host_offsets, "host_buffers: offset");

  const std::vector<int64_t> live = live_bytes(plan.schedule, kArenaAlignment);
  const auto peak = std::max_element(live.begin(), live.end());
  plan.live_bytes = live.empty() ? 0 : *peak;
  plan.peak_step = static_cast<int32_t>(peak - live.begin());
  plan.peak_by_category.fill(0);
  for (const Buffer& b : plan.schedule.buffers)
    if (b.first_step <= plan.peak_step && plan.peak_step <= b.last_step)
      plan.peak_by_category[static_cast<size_t>(b.category)] += rounded_up(b.bytes, kArenaAlignment);

  plan.decisions.assign(graph.values().size(), Decision::keep);
  for (const Step& step : plan.schedule.steps) {
    if (!step.recompute) continue;
    for (ValueId v : graph.op(step.op).outputs)
      if (v != kNone) plan.decisions[static_cast<size_t>(v)] = Decision::recompute;
  }
  for (const Offload& o : plan.offloads) plan.decisions[static_cast<size_t>(o.value)] = Decision::offload;
}

double order_seconds(const Graph& graph, const std::vector<OpId>& order,
                     const std::vector<double>& op_seconds, int micro_batches) {
  double body = 0, once = 0;
  for (OpId id : order) {
    (in_body(graph.op(id).phase) ? body : once) += op_seconds[static_cast<size_t>(id)];
  }
  return once + body * micro_batches;
}

}  // namespace tidemark
