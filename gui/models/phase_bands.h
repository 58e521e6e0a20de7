// The phases of a training step along its axis.
#pragma once

#include <vector>

#include "gui/models/scene.h"

namespace tidemark::gui {

struct Band {
  double begin = 0, end = 0;
  Phase phase = Phase::forward;
  int32_t micro_batch = -1;
};

/// In order, without gaps: one for each phase of each micro-batch.
std::vector<Band> phase_bands(const Curve& curve);

/// Where ops run again, neighbours joined.
std::vector<StepClock::Span> recompute_spans(const Curve& curve);

}  // namespace tidemark::gui
