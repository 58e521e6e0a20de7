// The memory allocator's picture: address by time, a rectangle for every buffer, as far as pixels can
// show them.
#pragma once

#include <cstdint>
#include <vector>

#include "gui/models/axis_range.h"
#include "gui/models/program.h"
#include "gui/models/stack.h"
#include "gui/models/step_clock.h"

namespace tidemark::gui {

/// What a picture of `width` x `height` pixels shows of the arena. Addresses grow upwards.
struct ArenaWindow {
  AxisRange time, bytes;
  int width = 0, height = 0;
};

/// Pixels from the top left of the picture, within it and at least one wide and high.
struct ArenaRect {
  int32_t buffer = 0;
  int x = 0, y = 0, width = 0, height = 0;
};

/// The rectangles of all visible buffers in the window. One thinner than a pixel takes a whole one, unless
/// thin ones before it have taken all of its pixels: however many buffers there are, there are no more
/// rectangles than pixels.
std::vector<ArenaRect> arena_rects(const Program& program, const StepClock& clock, CategorySet visible,
                                   const ArenaWindow& window);

/// The buffer at an address during a step; -1 where it is free.
int32_t buffer_in_arena(const Program& program, int32_t step, CategorySet visible, double address);

}  // namespace tidemark::gui
