#include "executor/runtime/runtime.h"

#include <algorithm>

#include "base/error.h"
#include "graph/serialize.h"

namespace tidemark {
namespace {

const Plan& checked_plan(const Graph& graph, const Plan& plan) {
  if (plan.graph_fingerprint != fingerprint(graph))
    throw Error("cannot run the plan", "graph_fingerprint",
                "it was made for another graph ('" + plan.graph_name + "')",
                "plan again for this model, batch, length and dtype");
  return plan;
}

/// Of each value, the buffer that holds it after the last step, or kNone.
std::vector<int32_t> final_buffers(const Graph& graph, const Schedule& schedule) {
  std::vector<int32_t> buffers(graph.values().size(), kNone);
  const auto last = static_cast<int32_t>(schedule.steps.size()) - 1;
  for (size_t i = 0; i < schedule.buffers.size(); ++i) {
    const Buffer& buffer = schedule.buffers[i];
    if (buffer.last_step != last || buffer.values.empty()) continue;
    for (ValueId v : buffer.values)
      if (buffer.persistent || v == buffer.values.back())
        buffers[static_cast<size_t>(v)] = static_cast<int32_t>(i);
  }
  return buffers;
}

/// Of each value, the host buffer that it lives in, or kNone: the versions of a state share one.
std::vector<int32_t> homes(const Graph& graph, const Schedule& schedule) {
  std::vector<int32_t> homes(graph.values().size(), kNone);
  for (const Transfer& t : schedule.transfers)
    if (schedule.host_buffers[static_cast<size_t>(t.host)].persistent)
      for (ValueId v : schedule.buffers[static_cast<size_t>(t.buffer)].values)
        homes[static_cast<size_t>(v)] = t.host;
  return homes;
}

}  // namespace

Runtime::Runtime(const Graph& graph, const Plan& plan, const RuntimeOptions& options)
    : graph_(graph),
      plan_(checked_plan(graph, plan)),
      backend_(make_backend(graph, plan, options)),
      final_buffer_(final_buffers(graph, plan.schedule)),
      home_(homes(graph, plan.schedule)),
      times_(plan.schedule.steps.size()) {
  const std::array<int32_t, kPhaseCount> starts = phase_starts(graph_, plan.schedule);
  const int32_t forward = starts[static_cast<size_t>(Phase::forward)];
  const int32_t optimizer = starts[static_cast<size_t>(Phase::optimizer)];
  prepare_ = {0, forward};
  body_ = {forward, optimizer};
  optimize_ = {optimizer, static_cast<int32_t>(plan.schedule.steps.size())};
}

void* Runtime::data(ValueId value) const {
  if (const int32_t home = home_.at(static_cast<size_t>(value)); home != kNone)
    return backend_->offloaded(home);
  const int32_t buffer = final_buffer_.at(static_cast<size_t>(value));
  if (buffer == kNone)
    throw InternalError("the value '" + graph_.value(value).name + "' does not outlive the step");
  return backend_->host(buffer);
}

void Runtime::run_forward(ValueId output) {
  for (int32_t s = body_.begin; s < body_.end; ++s) {
    const Op& op = graph_.op(plan_.schedule.steps[static_cast<size_t>(s)].op);
    if (std::find(op.outputs.begin(), op.outputs.end(), output) == op.outputs.end()) continue;
    return run({body_.begin, s + 1});
  }
  throw InternalError("no op of a micro-batch makes the value '" + graph_.value(output).name + "'");
}

}  // namespace tidemark
