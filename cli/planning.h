// From command-line options to a plan: shared by `plan`, `profile` and `train`.
#pragma once

#include <string>

#include "cli/model_options.h"
#include "planner/planner.h"

namespace tidemark::cli {

/// Op times from a profile where one is named, else from the analytic model of this CPU.
OpTimes op_times(const Graph& graph, int threads, const std::string& profile_path);

PlanRequest plan_request(const BuiltModel& built, const ModelOptions& options);

/// The plan that keeps everything, for runs without one.
Plan unplanned(const BuiltModel& built, const ModelOptions& options);

}  // namespace tidemark::cli
