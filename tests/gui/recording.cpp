#include "tests/gui/recording.h"

#include <random>

#include "graph/autodiff.h"
#include "graph/op_def.h"
#include "models/model.h"
#include "planner/planner.h"

namespace tidemark::test {

Recording::Recording(const RunShape& shape) {
  const BatchSpec batch{
      .tokens = shape.batch * shape.length, .sequences = shape.batch, .max_length = shape.length};
  graph_ = make_training_graph(model_from_preset(shape.preset)->build(batch),
                               {.optimizer = AdamW{}, .micro_batches = shape.micro_batches});
  PlanRequest request;
  request.device.threads = 2;
  request.micro_batches = shape.micro_batches;
  request.times = analytic_times(graph_, cpu_speed(2));
  if (shape.budget_percent > 0)
    request.budget_bytes = make_plan(graph_, request).unplanned_peak_bytes * shape.budget_percent / 100;
  plan_ = make_plan(graph_, request).plan.value();
}

void Recording::save_plan(const std::string& path) const {
  tidemark::save_plan(plan_, graph_, path);
}

std::vector<TraceBuffer> Recording::trace_buffers() const {
  std::vector<TraceBuffer> rows;
  for (size_t i = 0; i < plan_.schedule.buffers.size(); ++i) {
    const Buffer& b = plan_.schedule.buffers[i];
    const Op& op = graph_.op(plan_.schedule.steps[static_cast<size_t>(b.first_step)].op);
    TraceBuffer row;
    const auto value_name = [&](ValueId v) { return graph_.value(v).name; };
    row.name = b.values.empty() ? op.name + " (workspace)"
               : b.persistent   ? value_name(b.values.front())
                                : value_name(b.values.back());
    if (!b.values.empty()) row.type = graph_.value(b.values.back()).type.text();
    if (!b.persistent) row.op = op.name;
    row.module = b.persistent ? row.name : op.module;
    row.category = b.category;
    row.bytes = rounded_up(b.bytes, kArenaAlignment);
    row.offset = plan_.offsets[i];
    row.first_step = b.first_step;
    row.last_step = b.last_step;
    row.persistent = b.persistent;
    rows.push_back(row);
  }
  return rows;
}

std::vector<ProgramStep> Recording::program() const {
  std::vector<ProgramStep> steps;
  for (const Step& s : plan_.schedule.steps) {
    const Op& op = graph_.op(s.op);
    steps.push_back({op.name, std::string(op.def->name), op.module, op.phase, s.recompute});
  }
  return steps;
}

TraceWriter Recording::start_trace(const std::string& path) const {
  return {path, {{"model", graph_.name()}}, trace_buffers(), program()};
}

void Recording::write_step(TraceWriter& writer, int64_t training_step, bool complete) const {
  std::mt19937 random(static_cast<unsigned>(training_step));
  std::uniform_real_distribution<double> noise(0.9, 1.3);
  const auto starts = phase_starts(graph_, plan_.schedule);
  const int32_t body = starts[static_cast<size_t>(Phase::forward)];
  const int32_t body_end = starts[static_cast<size_t>(Phase::optimizer)];
  const int64_t start = 1'000'000'000 * (training_step + 1);
  int64_t now = start;
  const auto run = [&](int32_t micro_batch, int32_t first, int32_t end) {
    std::vector<TimeSpan> times;
    for (int32_t s = first; s < end; ++s) {
      const double seconds = plan_.step_seconds[static_cast<size_t>(s)] * noise(random);
      times.push_back({now + 300, now + 300 + static_cast<int64_t>(seconds * 1e9)});
      now = times.back().end_ns;
    }
    writer.run(training_step, micro_batch, first, times);
  };
  run(-1, 0, body);
  for (int m = 0; m < plan_.micro_batches; ++m) run(m, body, body_end);
  if (!complete) return;
  run(-1, body_end, static_cast<int32_t>(plan_.schedule.steps.size()));
  writer.step({.number = training_step,
               .start_ns = start,
               .end_ns = now + 1000,
               .loss = 5.5 - 0.1 * static_cast<double>(training_step),
               .grad_norm = 1,
               .arena_resident_bytes = plan_.arena_bytes,
               .process_resident_bytes = 2 * plan_.arena_bytes});
}

void Recording::save_trace(const std::string& path, int64_t training_steps) const {
  TraceWriter writer = start_trace(path);
  for (int64_t step = 0; step < training_steps; ++step) write_step(writer, step);
}

}  // namespace tidemark::test
