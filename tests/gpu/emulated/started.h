// For which op of the program each kernel, copy and set was started. The emulated GPU is told, in the place
// of the library that a driver would have loaded (base/current_op.h).
#pragma once

#include <string>
#include <vector>

#include "base/current_op.h"

namespace tidemark::emulated {

struct Started {
  std::string op;  ///< empty: the program named none
  int32_t step = -1;
  Phase phase = Phase::forward;
  bool captured = false;
};

/// Appends all that is started to `list`, until there is another; null: to none.
void note_starts_in(std::vector<Started>* list);
void note_start(bool captured);

}  // namespace tidemark::emulated
