// What the plots draw: one training step, measured or planned, and the plan beside it.
#pragma once

#include <memory>

#include "gui/models/program.h"
#include "gui/models/step_clock.h"

namespace tidemark::gui {

struct Curve {
  std::shared_ptr<const Program> program;  ///< never null in a scene
  StepClock clock;
};

struct Scene {
  Curve main;
  bool measured = true;         ///< `main` is a trace's; otherwise the plan's own
  Curve planned;                ///< beside a trace; its program is null where no plan was given
  int64_t budget_bytes = 0;     ///< 0: none
  int64_t plan_peak_bytes = 0;  ///< the arena that the plan asks for; 0: no plan
  int64_t arena_bytes = 0;      ///< highest byte of all that is drawn
  int64_t micro_batches = 1;
};

}  // namespace tidemark::gui
