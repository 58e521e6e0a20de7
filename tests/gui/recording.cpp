#include "tests/gui/recording.h"

#include <algorithm>
#include <random>

#include "executor/training/trace_tables.h"
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
  plan_.solve_seconds = 0.25;  // the same file each time
}

void Recording::save_plan(const std::string& path) const {
  tidemark::save_plan(plan_, graph_, path);
}

TraceWriter Recording::start_trace(const std::string& path) const {
  return {path, {{"model", graph_.name()}}, trace_buffers(graph_, plan_), trace_program(graph_, plan_)};
}

void Recording::write_step(TraceWriter& writer, int64_t training_step, bool complete) const {
  std::mt19937 random(static_cast<unsigned>(training_step));
  std::uniform_real_distribution<double> noise(0.9, 1.3);
  const auto& steps = plan_.schedule.steps;
  const auto repeats = [&](const Step& s) { return in_body(graph_.op(s.op).phase); };
  const auto begin = std::ranges::find_if(steps, repeats);
  const auto body = static_cast<int32_t>(begin - steps.begin());
  const auto body_end = static_cast<int32_t>(std::find_if_not(begin, steps.end(), repeats) - steps.begin());
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
