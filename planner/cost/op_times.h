// How long each op of a graph takes.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"
#include "planner/cost/device.h"

namespace tidemark {

struct OpTimes {
  std::vector<double> seconds;  ///< of each op of the graph
  std::string model;  ///< "analytic", "calibrated", "profile", or "given" where each op says its own
};

/// op_seconds() of each op; of an opaque op, what it says itself.
OpTimes analytic_times(const Graph& graph, const DeviceSpeed& speed);

/// Measured medians by op name. An op that was not measured takes its analytic time, scaled by what the
/// measured ops took over what the model says of them. Throws Error if no op of the graph was measured.
OpTimes profiled_times(const Graph& graph, const DeviceSpeed& speed,
                       const std::unordered_map<std::string, double>& medians);

}  // namespace tidemark
