// How many tokens the loss takes at a time, chosen with the plan: more of them at once are faster, and take
// more memory. The choice is part of the graph, not of its plan, since it changes the last bits of sums over
// tokens.
#pragma once

#include <functional>

#include "cli/planning.h"

namespace tidemark::cli {

struct Planned {
  BuiltModel built;
  PlanRequest request;
  PlanResult result;

  int64_t loss_chunk_rows() const;
};

/// The fastest of the plans that `plan` makes for as many tokens at a time as cost no time on a CPU, and for
/// twice, four times… as many. Where none fits, the first that does of those for half, a quarter… of them.
/// Throws Error where the loss has no chunks.
Planned plan_with_best_loss_chunks(const ModelOptions& model,
                                   const std::function<Planned(const ModelOptions&)>& plan);

}  // namespace tidemark::cli
