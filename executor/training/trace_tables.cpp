#include "executor/training/trace_tables.h"

namespace tidemark {
namespace {

std::string without_last_part(const std::string& name) {
  const size_t dot = name.rfind('.');
  return dot == std::string::npos ? std::string() : name.substr(0, dot);
}

std::string module_of_source(const Graph& graph, const Value& source) {
  const std::string owner = without_last_part(source.name);  // of P.adam_m, P.grad_sum: P
  const ValueId parameter = graph.find(owner);
  const bool serves = parameter != kNone && graph.value(parameter).category == Category::parameter;
  return serves ? without_last_part(owner) : owner;
}

/// A value, or an op's workspace, from the step on at which it takes a buffer.
struct Occupant {
  ValueId value = kNone;
  OpId maker = kNone;
  int32_t first_step = 0;
};

/// Of each buffer, in the order of the steps. What outlives the step keeps the name and the maker of what it
/// was at first, however often it is updated in place: a parameter has no maker.
std::vector<std::vector<Occupant>> occupants(const Graph& graph, const Schedule& schedule) {
  std::vector<std::vector<Occupant>> all(schedule.buffers.size());
  std::vector<bool> outlives(schedule.buffers.size(), false);
  for (size_t i = 0; i < all.size(); ++i)
    if (const Buffer& b = schedule.buffers[i]; b.persistent) {
      outlives[i] = true;
      const ValueId first = b.values.front();
      all[i].push_back({first, graph.value(first).producer, b.first_step});
    }
  for (const Transfer& t : schedule.transfers) {
    if (schedule.host_buffers[static_cast<size_t>(t.host)].persistent)
      outlives[static_cast<size_t>(t.buffer)] = true;
    if (t.to_host) continue;
    const Buffer& b = schedule.buffers[static_cast<size_t>(t.buffer)];
    all[static_cast<size_t>(t.buffer)].push_back(
        {b.values.front(), graph.value(b.values.front()).producer, b.first_step});
  }
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    const Step& step = schedule.steps[s];
    const auto take = [&](int32_t buffer, ValueId value) {
      if (buffer == kNone || outlives[static_cast<size_t>(buffer)]) return;
      all[static_cast<size_t>(buffer)].push_back({value, step.op, static_cast<int32_t>(s)});
    };
    for (size_t k = 0; k < step.outputs.size(); ++k) take(step.outputs[k], graph.op(step.op).outputs[k]);
    take(step.workspace, kNone);
  }
  return all;
}

void describe(const Graph& graph, const Occupant& occupant, TraceBuffer& row) {
  if (occupant.maker != kNone) {
    row.op = graph.op(occupant.maker).name;
    row.module = graph.op(occupant.maker).module;
  }
  if (occupant.value == kNone) {
    row.name = row.op.str() + " (workspace)";
    return;
  }
  const Value& value = graph.value(occupant.value);
  row.name = value.name;
  row.type = value.type.text();
  if (occupant.maker == kNone) row.module = module_of_source(graph, value);
}

}  // namespace

std::vector<TraceBuffer> trace_buffers(const Graph& graph, const Plan& plan) {
  const std::vector<std::vector<Occupant>> all = occupants(graph, plan.schedule);
  const std::vector<ArenaBuffer> places = arena_buffers(plan.schedule);
  std::vector<TraceBuffer> rows;
  for (size_t i = 0; i < places.size(); ++i) {
    const Buffer& b = plan.schedule.buffers[i];
    for (size_t k = 0; k < all[i].size(); ++k) {
      TraceBuffer row;
      describe(graph, all[i][k], row);
      row.category = b.category;
      row.bytes = places[i].bytes;
      row.offset = plan.offsets[i];
      row.first_step = all[i][k].first_step;
      row.last_step = k + 1 < all[i].size() ? all[i][k + 1].first_step - 1 : b.last_step;
      if (row.last_step < row.first_step) continue;  // it came back and was updated in the same step
      row.persistent = b.persistent;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::vector<ProgramStep> trace_program(const Graph& graph, const Plan& plan) {
  std::vector<ProgramStep> program;
  program.reserve(plan.schedule.steps.size());
  for (const Step& step : plan.schedule.steps) {
    const Op& op = graph.op(step.op);
    program.push_back({op.name, std::string(op.def->name), op.module, op.phase, step.recompute});
  }
  return program;
}

}  // namespace tidemark
