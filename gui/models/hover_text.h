// What the tooltip of a plot says.
#pragma once

#include <QString>

#include "gui/models/scene.h"

namespace tidemark::gui {

/// Rich text about the op that runs in a segment of the main curve and, unless `buffer` is -1, about one
/// of the buffers that live then.
QString hover_text(const Scene& scene, size_t segment, int32_t buffer);

}  // namespace tidemark::gui
