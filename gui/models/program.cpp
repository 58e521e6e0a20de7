#include "gui/models/program.h"

#include <algorithm>

#include "base/live_bytes.h"

namespace tidemark::gui {
namespace {

Program program_of(std::span<const ProgramStep> steps, std::span<const TraceBuffer> buffers,
                   std::shared_ptr<const void> rows) {
  Program program{.steps = steps,
                  .buffers = buffers,
                  .live = live_by_category(buffers, steps.size()),
                  .rows = std::move(rows)};
  for (const TraceBuffer& b : buffers)
    program.arena_bytes = std::max(program.arena_bytes, b.offset + b.bytes);
  return program;
}

/// A plan names no modules; those of its ops are what their names say before the last dot.
std::string module_of(const std::string& op) {
  const size_t dot = op.rfind('.');
  return dot == std::string::npos ? std::string() : op.substr(0, dot);
}

TraceBuffer buffer_of(const PlannedBuffer& b, const PlanTimeline& plan) {
  const std::string& op = plan.steps[static_cast<size_t>(b.first_step)].op;
  TraceBuffer row;
  // What lives always is known by the parameter or state that it holds, not by that one's update.
  row.name = b.values.empty() ? op + " (workspace)" : b.persistent ? b.values.front() : b.values.back();
  if (!b.persistent) row.op = op;
  row.module = module_of(b.persistent ? row.name.str() : op);
  row.category = b.category;
  row.bytes = b.bytes;
  row.offset = b.offset;
  row.first_step = b.first_step;
  row.last_step = b.last_step;
  row.persistent = b.persistent;
  return row;
}

}  // namespace

Program program_of(std::vector<ProgramStep> steps, std::vector<TraceBuffer> buffers) {
  struct Rows {
    std::vector<ProgramStep> steps;
    std::vector<TraceBuffer> buffers;
  };
  const auto rows = std::make_shared<const Rows>(std::move(steps), std::move(buffers));
  return program_of(rows->steps, rows->buffers, rows);
}

Program program_of(std::shared_ptr<const Trace> trace) {
  return program_of(trace->program(), trace->buffers(), trace);
}

Program program_of(const PlanTimeline& plan) {
  std::vector<ProgramStep> steps;
  std::vector<TraceBuffer> buffers;
  for (const PlannedStep& s : plan.steps)
    steps.push_back(
        {.op = s.op, .kind = {}, .module = module_of(s.op), .phase = s.phase, .recompute = s.recompute});
  for (const PlannedBuffer& b : plan.buffers) buffers.push_back(buffer_of(b, plan));
  return program_of(std::move(steps), std::move(buffers));
}

bool same_ops(const Program& a, const Program& b) {
  return std::ranges::equal(a.steps, b.steps, {}, &ProgramStep::op, &ProgramStep::op);
}

bool same_buffers(const Program& a, const Program& b) {
  struct Place {
    int64_t offset, bytes, first, last;
    auto operator<=>(const Place&) const = default;
  };
  // A trace has a row for each value that a buffer holds in turn, a plan one for all of them.
  const auto joined = [](const Program& program) {
    std::vector<Place> rows, places;
    for (const TraceBuffer& row : program.buffers)
      rows.push_back({row.offset, row.bytes, row.first_step, row.last_step});
    std::ranges::sort(rows);
    for (const Place& row : rows) {
      Place* const before = places.empty() ? nullptr : &places.back();
      if (before && before->offset == row.offset && before->bytes == row.bytes &&
          before->last + 1 == row.first)
        before->last = row.last;
      else
        places.push_back(row);
    }
    return places;
  };
  return joined(a) == joined(b);
}

std::vector<int32_t> live_buffers(const Program& program, int32_t step) {
  std::vector<int32_t> live;
  for (size_t i = 0; i < program.buffers.size(); ++i)
    if (lives_at(program.buffers[i], step)) live.push_back(static_cast<int32_t>(i));
  std::ranges::stable_sort(live, {},
                           [&](int32_t i) { return program.buffers[static_cast<size_t>(i)].offset; });
  return live;
}

}  // namespace tidemark::gui
