// What the files say in a few lines: peaks, whether they agree, budget, times, damage.
#pragma once

#include <string>
#include <vector>

#include "gui/models/session.h"

namespace tidemark::gui {

struct SummaryRow {
  enum class State : uint8_t { plain, good, bad };
  std::string label, value;
  std::string detail;  ///< exact figures; may be empty
  State state = State::plain;
};

std::vector<SummaryRow> summarise(const Session& session);

}  // namespace tidemark::gui
