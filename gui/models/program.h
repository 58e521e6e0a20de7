// The program of a training step and what it keeps in memory: the same for a trace and for a plan.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/category.h"
#include "planner/plan_timeline.h"
#include "profiler/trace.h"

namespace tidemark::gui {

struct Program {
  std::span<const ProgramStep> steps;
  std::span<const TraceBuffer> buffers;
  std::vector<CategoryBytes> live;   ///< at each step
  int64_t arena_bytes = 0;           ///< end of the highest buffer
  std::shared_ptr<const void> rows;  ///< what has the steps and buffers: a trace's may be millions, kept once
};

Program program_of(std::vector<ProgramStep> steps, std::vector<TraceBuffer> buffers);
Program program_of(std::shared_ptr<const Trace> trace);
Program program_of(const PlanTimeline& plan);

/// Whether the two run the same ops in the same order, so that a step of one is that step of the other.
bool same_ops(const Program& a, const Program& b);

/// Whether they also keep the same bytes at the same places for the same steps.
bool same_buffers(const Program& a, const Program& b);

/// Indices of the buffers that live at a step, in the order of their offsets.
std::vector<int32_t> live_buffers(const Program& program, int32_t step);

}  // namespace tidemark::gui
