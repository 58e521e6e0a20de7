// Where in a schedule a value could be away from the arena, or be there only for a while.
#pragma once

#include <vector>

#include "planner/offload/offload.h"

namespace tidemark {

struct OffloadKinds {
  bool activations = true;  ///< made in forward or backward, and read there again much later
  bool states = true;       ///< of the optimizer: they live on the host
  bool any() const { return activations || states; }
};

/// A buffer that no step uses between `from` and `to`, or, of a state, outside of them.
struct Absence {
  ValueId value = kNone;
  int32_t buffer = kNone;
  int64_t bytes = 0;  ///< aligned
  bool state = false;
  int32_t made = 0;  ///< the step that wrote it last, at `from` or before; of a state, `to`
  int32_t from = 0;  ///< the last step that uses it before it is away; of a state, the first step that does
  int32_t to = 0;    ///< the first step that uses it again; of a state, the last step that does
  StepRange range = {};  ///< of steps, which its copies must not leave
};

/// `least_bytes`: smaller values are not worth a copy.
std::vector<Absence> find_absences(const Graph& graph, const Schedule& schedule, OffloadKinds kinds,
                                   int64_t least_bytes);

}  // namespace tidemark
