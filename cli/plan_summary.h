// A plan's figures as `--json` prints them.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "planner/plan.h"

namespace tidemark::cli {

nlohmann::json plan_summary(const Plan& plan);

}  // namespace tidemark::cli
