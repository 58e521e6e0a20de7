#include "planner/schedule.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "graph/opaque.h"
#include "planner/arena/alignment.h"
#include "planner/liveness.h"

namespace tidemark {
namespace {

void check_order(const Graph& graph, const std::vector<OpId>& order) {
  std::vector<bool> seen(graph.ops().size(), false);
  const Op* body = nullptr;  // the last op seen that is not of the prepare phase
  for (OpId id : order) {
    if (id < 0 || static_cast<size_t>(id) >= graph.ops().size())
      throw Error("cannot schedule", "order", "there is no op " + std::to_string(id) + " in the graph",
                  "make a new plan for this graph");
    const Op& op = graph.op(id);
    if (seen[static_cast<size_t>(id)] && !may_run_again(op))
      throw Error("cannot schedule", "op '" + op.name + "'",
                  "it runs again, though of phase " + std::string(name_of(op.phase)) + " or in place",
                  "only forward ops that overwrite nothing may run again");
    seen[static_cast<size_t>(id)] = true;
    if (op.phase != Phase::prepare)
      body = &op;
    else if (body)
      throw Error("cannot schedule", "op '" + op.name + "'",
                  "it is of phase prepare but comes after '" + body->name + "'",
                  "what prepares a step runs before everything else");
  }
  const auto missing = std::find(seen.begin(), seen.end(), false);
  if (missing != seen.end())
    throw Error("cannot schedule",
                "op '" + graph.ops()[static_cast<size_t>(missing - seen.begin())].name + "'",
                "it is missing from the order", "every op must run at least once");
}

}  // namespace

std::vector<OpId> program_order(const Graph& graph) {
  std::vector<OpId> order(graph.ops().size());
  std::iota(order.begin(), order.end(), 0);
  return order;
}

bool may_run_again(const Op& op) {
  const std::vector<Alias> aliases = aliases_of(op);
  const bool in_place = std::any_of(aliases.begin(), aliases.end(), [&](const Alias& a) {
    const auto in = static_cast<size_t>(a.in);
    return a.required && in < op.inputs.size() && op.inputs[in] != kNone;
  });
  const bool refused = op.attributes.has("recompute") && !op.attributes.flag("recompute");
  return op.phase == Phase::forward && !in_place && !refused;
}

Schedule make_schedule(const Graph& graph, const std::vector<OpId>& order, const DeviceTraits& device) {
  check_order(graph, order);
  Schedule schedule = bind(graph, {.order = order, .live_out = graph.outputs(), .whole = true}, device);
  std::vector<bool> seen(graph.ops().size(), false);
  for (Step& step : schedule.steps) {
    step.recompute = seen[static_cast<size_t>(step.op)];
    seen[static_cast<size_t>(step.op)] = true;
  }
  return schedule;
}

void check_repeatable(const Graph& graph, const Schedule& schedule) {
  const Op* optimizer = nullptr;
  for (const Step& step : schedule.steps) {
    const Op& op = graph.op(step.op);
    if (op.phase != Phase::optimizer) {
      if (optimizer)
        throw Error("cannot repeat the micro-batches", "op '" + optimizer->name + "'",
                    "it is of phase optimizer but comes before '" + op.name + "'",
                    "the optimizer runs after all micro-batches");
      continue;
    }
    optimizer = &op;
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] == kNone) continue;
      const Value& value = graph.value(op.inputs[i]);
      if (value.producer == kNone || schedule.buffers[static_cast<size_t>(step.inputs[i])].persistent)
        continue;
      const Phase made = graph.op(value.producer).phase;
      const bool output =
          std::find(graph.outputs().begin(), graph.outputs().end(), op.inputs[i]) != graph.outputs().end();
      if (made != Phase::prepare && made != Phase::optimizer && !output)
        throw Error("cannot repeat the micro-batches", "op '" + op.name + "'",
                    "the optimizer reads '" + value.name + "', of which only the last micro-batch's is left",
                    "accumulate it in a persistent value");
    }
  }
}

std::vector<OpId> without_dead_steps(const Graph& graph, std::vector<OpId> order) {
  std::vector<bool> first(order.size(), false), seen(graph.ops().size(), false);
  for (size_t s = 0; s < order.size(); ++s) {
    first[s] = !seen[static_cast<size_t>(order[s])];
    seen[static_cast<size_t>(order[s])] = true;
  }
  // Backwards: a step that goes takes its reads with it before the steps that feed it are looked at.
  std::vector<bool> read_later(graph.values().size(), false), keep(order.size(), true);
  for (size_t s = order.size(); s-- > 0;) {
    const Op& op = graph.op(order[s]);
    bool wanted = first[s];
    for (ValueId v : op.outputs) wanted = wanted || (v != kNone && read_later[static_cast<size_t>(v)]);
    keep[s] = wanted;
    if (!wanted) continue;
    for (ValueId v : op.outputs)
      if (v != kNone) read_later[static_cast<size_t>(v)] = false;
    for (ValueId v : op.inputs)
      if (v != kNone) read_later[static_cast<size_t>(v)] = true;
  }
  size_t kept = 0;
  for (size_t s = 0; s < order.size(); ++s)
    if (keep[s]) order[kept++] = order[s];
  order.resize(kept);
  return order;
}

std::vector<TransferPoint> transfer_points(const Schedule& schedule) {
  std::vector<TransferPoint> points(schedule.steps.size() + 1);
  for (size_t t = 0; t < schedule.transfers.size(); ++t) {
    const Transfer& transfer = schedule.transfers[t];
    TransferPoint& begin = points[static_cast<size_t>(transfer.begin)];
    TransferPoint& end = points[static_cast<size_t>(transfer.end)];
    (transfer.to_host ? begin.send : begin.fetch).push_back(static_cast<int32_t>(t));
    (transfer.to_host ? end.sent : end.fetched).push_back(static_cast<int32_t>(t));
  }
  // What is wanted first is copied first.
  const auto sooner = [&](int32_t a, int32_t b) {
    return schedule.transfers[static_cast<size_t>(a)].end < schedule.transfers[static_cast<size_t>(b)].end;
  };
  for (TransferPoint& p : points) {
    std::stable_sort(p.send.begin(), p.send.end(), sooner);
    std::stable_sort(p.fetch.begin(), p.fetch.end(), sooner);
  }
  return points;
}

std::vector<int64_t> live_bytes(const Schedule& schedule, int64_t alignment) {
  std::vector<int64_t> live(schedule.steps.size() + 1, 0);
  for (const Buffer& b : schedule.buffers) {
    const int64_t bytes = rounded_up(b.bytes, alignment);
    live[static_cast<size_t>(b.first_step)] += bytes;
    live[std::min(static_cast<size_t>(b.last_step) + 1, live.size() - 1)] -= bytes;
  }
  for (size_t i = 1; i < live.size(); ++i) live[i] += live[i - 1];
  live.pop_back();
  return live;
}

}  // namespace tidemark
