// What a trace says once: a plan's buffers and its program, in the trace's terms.
#pragma once

#include <vector>

#include "planner/plan.h"
#include "profiler/trace.h"

namespace tidemark {

/// By plan.schedule.buffers, a row for each value that a buffer holds in turn. A source belongs to the module
/// whose parameter it is or serves ("model.norm.weight" and its optimizer states to "model.norm").
std::vector<TraceBuffer> trace_buffers(const Graph& graph, const Plan& plan);

std::vector<ProgramStep> trace_program(const Graph& graph, const Plan& plan);

}  // namespace tidemark
