// What surrounds a plot: grid, axes with their numbers, and the strip of phases above.
#pragma once

#include <QPainter>

#include "gui/models/phase_bands.h"
#include "gui/models/step_clock.h"
#include "gui/widgets/plot_geometry.h"

namespace tidemark::gui {

inline constexpr int kPhaseStripHeight = 20;
inline constexpr int kRecomputeLaneHeight = 5;

/// Room around a plot's area for all of it.
QMargins axis_margins();

/// Under the plot.
void paint_grid(QPainter& painter, const PlotGeometry& plot, AxisUnit unit);
/// Over it.
void paint_axes(QPainter& painter, const PlotGeometry& plot, AxisUnit unit, const QString& bytes_title);

/// Above the plot, with lines down through it where a phase ends; `recomputed` in a lane of its own.
void paint_phases(QPainter& painter, const PlotGeometry& plot, const std::vector<Band>& bands,
                  const std::vector<StepClock::Span>& recomputed, int64_t micro_batches);

/// Text on a white plate, kept inside `area`. `anchor` is its left end or, `align` containing
/// Qt::AlignRight, its right end, at the text's vertical middle.
void paint_plate(QPainter& painter, const QRect& area, QPointF anchor, const QString& text, QColor color,
                 Qt::Alignment align = Qt::AlignLeft);

/// A line at some bytes across the plot, named at its left or right end.
struct Level {
  int64_t bytes = 0;
  QString name;
  QColor color;
  Qt::PenStyle style = Qt::SolidLine;
  Qt::AlignmentFlag side = Qt::AlignLeft;
};
void paint_levels(QPainter& painter, const PlotGeometry& plot, const std::vector<Level>& levels);

}  // namespace tidemark::gui
