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

/// The op that each workspace belongs to.
std::vector<OpId> workspace_owners(const Schedule& schedule) {
  std::vector<OpId> owners(schedule.buffers.size(), kNone);
  for (const Step& step : schedule.steps)
    if (step.workspace != kNone) owners[static_cast<size_t>(step.workspace)] = step.op;
  return owners;
}

}  // namespace

std::vector<TraceBuffer> trace_buffers(const Graph& graph, const Plan& plan) {
  const std::vector<OpId> owners = workspace_owners(plan.schedule);
  const std::vector<ArenaBuffer> places = arena_buffers(plan.schedule);
  std::vector<TraceBuffer> rows;
  rows.reserve(places.size());
  for (size_t i = 0; i < places.size(); ++i) {
    const Buffer& b = plan.schedule.buffers[i];
    TraceBuffer row;
    OpId op = owners[i];
    if (b.values.empty()) {
      row.name = graph.op(op).name + " (workspace)";
    } else {
      const Value& value = graph.value(b.values.back());
      const Value& first = graph.value(b.values.front());
      // What is updated in place keeps the name and the maker of what it was: a parameter has none.
      const Value& named = b.persistent ? first : value;
      row.name = named.name;
      row.type = named.type.text();
      op = named.producer;
      if (op == kNone) row.module = module_of_source(graph, named);
    }
    if (op != kNone) {
      row.op = graph.op(op).name;
      row.module = graph.op(op).module;
    }
    row.category = b.category;
    row.bytes = places[i].bytes;
    row.offset = plan.offsets[i];
    row.first_step = b.first_step;
    row.last_step = b.last_step;
    row.persistent = b.persistent;
    rows.push_back(std::move(row));
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
