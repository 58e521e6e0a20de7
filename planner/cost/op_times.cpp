#include "planner/cost/op_times.h"

#include <algorithm>

#include "base/error.h"
#include "graph/opaque.h"

namespace tidemark {

OpTimes analytic_times(const Graph& graph, const DeviceSpeed& speed) {
  const bool given = std::all_of(graph.ops().begin(), graph.ops().end(), is_opaque);
  OpTimes times{.seconds = {}, .model = given ? "given" : speed.kinds.empty() ? "analytic" : "calibrated"};
  times.seconds.reserve(graph.ops().size());
  for (const Op& op : graph.ops()) {
    if (is_opaque(op)) {
      times.seconds.push_back(op.attributes.number("seconds"));
      continue;
    }
    times.seconds.push_back(op_seconds(OpView(graph, op), speed));
  }
  return times;
}

OpTimes profiled_times(const Graph& graph, const DeviceSpeed& speed,
                       const std::unordered_map<std::string, double>& medians) {
  OpTimes times = analytic_times(graph, speed);
  times.model = "profile";
  double modelled = 0, measured = 0;
  std::vector<bool> known(graph.ops().size(), false);
  for (size_t i = 0; i < graph.ops().size(); ++i) {
    const auto found = medians.find(graph.ops()[i].name);
    if (found == medians.end()) continue;
    known[i] = true;
    modelled += times.seconds[i];
    measured += found->second;
    times.seconds[i] = found->second;
  }
  if (modelled == 0)
    throw Error("cannot use the profile", graph.name(), "it has no time of any op of this graph",
                "profile the same model");
  for (size_t i = 0; i < known.size(); ++i)
    if (!known[i]) times.seconds[i] *= measured / modelled;
  return times;
}

}  // namespace tidemark
