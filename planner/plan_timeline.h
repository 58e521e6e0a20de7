// A plan as a picture of it needs it: read from its file alone, without the graph that it is for.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/category.h"

namespace tidemark {

struct PlannedStep {
  std::string op;                ///< unique name
  Phase phase = Phase::prepare;  ///< in which it runs: `backward` for a forward op that runs again
  bool recompute = false;        ///< an earlier step ran this op already
  double seconds = 0;            ///< predicted
};

struct PlannedBuffer {
  std::vector<std::string> values;  ///< that occupy it, one after the other; empty: an op's workspace
  Category category = Category::activation;
  int64_t bytes = 0;                      ///< what it occupies, alignment included
  int64_t offset = 0;                     ///< in the arena
  int32_t first_step = 0, last_step = 0;  ///< inclusive
  bool persistent = false;
};

struct PlanTimeline {
  std::string graph_name, strategy, cost_model;
  int micro_batches = 1;     ///< times that forward and backward run
  int64_t budget_bytes = 0;  ///< 0: none was given
  int64_t predicted_peak_bytes = 0, unplanned_peak_bytes = 0;
  double predicted_seconds = 0, unplanned_seconds = 0, gap = 0;

  std::vector<PlannedStep> steps;
  std::vector<PlannedBuffer> buffers;
  std::vector<CategoryBytes> live;  ///< at each step
};

/// Throws Error naming the field where the file is not a plan of this version, or contradicts itself:
/// lives outside the order, buffers outside the arena, a peak that its buffers do not have. That it suits
/// its graph is for plan_from_json (plan.h) to say. `where` names the file.
PlanTimeline plan_timeline_from_json(const nlohmann::json& json, const std::string& where);
PlanTimeline load_plan_timeline(const std::string& path);

}  // namespace tidemark
