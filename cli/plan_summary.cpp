#include "cli/plan_summary.h"

#include <nlohmann/json.hpp>

namespace tidemark::cli {

nlohmann::json plan_summary(const Plan& p) {
  nlohmann::json categories;
  for (int c = 0; c < kCategoryCount; ++c)
    categories[std::string(name_of(static_cast<Category>(c)))] = p.peak_by_category[static_cast<size_t>(c)];
  return {{"predicted_peak_bytes", p.arena_bytes},
          {"host_bytes", p.host_bytes},
          {"offloads", p.offloads.size()},
          {"copy_seconds", p.copy_seconds},
          {"categories", categories},
          {"predicted_seconds", p.predicted_seconds},
          {"unplanned_seconds", p.unplanned_seconds},
          {"lower_bound_seconds", p.lower_bound_seconds},
          {"gap", p.gap},
          {"strategy", p.strategy},
          {"solve_seconds", p.solve_seconds}};
}

}  // namespace tidemark::cli
