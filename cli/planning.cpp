#include "cli/planning.h"

#include "planner/cost/device.h"
#include "profiler/trace.h"

namespace tidemark::cli {

OpTimes op_times(const Graph& graph, int threads, const std::string& profile_path) {
  if (profile_path.empty()) return analytic_times(graph, cpu_speed(threads));
  return profiled_times(graph, cpu_speed(threads), median_op_seconds(Trace(profile_path)));
}

PlanRequest plan_request(const BuiltModel& built, const ModelOptions& options) {
  PlanRequest request;
  request.device.threads = threads_of(options);
  request.micro_batches = options.micro_batches;
  request.times = op_times(built.training, request.device.threads, {});
  return request;
}

Plan unplanned(const BuiltModel& built, const ModelOptions& options) {
  PlanRequest request = plan_request(built, options);
  request.strategy = "keep-all";
  return make_plan(built.training, request).plan.value();
}

}  // namespace tidemark::cli
