// Round numbers along an axis, in the units that people read.
#pragma once

#include <string>
#include <vector>

#include "gui/models/step_clock.h"

namespace tidemark::gui {

struct Tick {
  double value = 0;
  std::string label;  ///< UTF-8
};

/// At most about `most` of them within [low, high]. Bytes in one binary unit for all.
std::vector<Tick> byte_ticks(double low, double high, int most);
/// Seconds in one of ns, µs, ms, s for all; or numbers of ops.
std::vector<Tick> step_ticks(AxisUnit unit, double low, double high, int most);

/// A position as text, finer than the ticks: "12.345 ms", "op 17".
std::string position_text(AxisUnit unit, double position);

}  // namespace tidemark::gui
