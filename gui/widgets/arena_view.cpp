#include "gui/widgets/arena_view.h"

#include <QPainter>
#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "gui/models/arena_rects.h"
#include "gui/widgets/axes.h"
#include "gui/widgets/theme.h"

namespace tidemark::gui {
namespace {

constexpr double kHeadroom = 1.06;
constexpr int kLeastWithFrame = 4;  // pixels
constexpr QSize kLeastWithName(56, 16);

void paint_name(QPainter& painter, const QRect& box, const std::string& name) {
  const QString full = QString::fromStdString(name);
  const QFontMetrics metrics = painter.fontMetrics();
  painter.drawText(box, Qt::AlignCenter, metrics.elidedText(full, Qt::ElideLeft, box.width() - 8));
}

}  // namespace

QString ArenaView::bytes_title() const {
  return tr("address in the arena");
}

double ArenaView::most_bytes() const {
  return kHeadroom * static_cast<double>(std::max<int64_t>(1, state().scene().arena_bytes));
}

void ArenaView::paint_content(QImage& image) {
  const PlotGeometry plot = geometry_of_plot();
  const Curve& curve = state().scene().main;
  QPainter painter(&image);
  const double arena_top =
      std::round(plot.within(image.rect()).y_of(static_cast<double>(state().scene().arena_bytes)));
  painter.fillRect(QRectF(0, arena_top, image.width(), image.height()), theme::kFreeArena);

  const std::vector<ArenaRect> rects = arena_rects(*curve.program, curve.clock, state().visible(),
                                                   {plot.time, plot.bytes, image.width(), image.height()});
  for (const ArenaRect& r : rects) {
    const QColor color = theme::color_of(curve.program->buffers[static_cast<size_t>(r.buffer)].category);
    painter.fillRect(r.x, r.y, r.width, r.height, color);
    if (r.width < kLeastWithFrame || r.height < kLeastWithFrame) continue;
    painter.setPen(color.darker(135));
    painter.drawRect(r.x, r.y, r.width - 1, r.height - 1);
  }
  const double scale = devicePixelRatioF();
  painter.scale(scale, scale);
  painter.setFont(theme::small_font());
  for (const ArenaRect& r : rects) {
    const TraceBuffer& b = curve.program->buffers[static_cast<size_t>(r.buffer)];
    const QRect box = QRectF(r.x / scale, r.y / scale, r.width / scale, r.height / scale).toRect();
    if (box.width() < kLeastWithName.width() || box.height() < kLeastWithName.height()) continue;
    painter.setPen(theme::text_on(theme::color_of(b.category)));
    paint_name(painter, box, b.name);
  }
}

void ArenaView::paint_outline(QPainter& painter, const PlotGeometry& plot, int32_t buffer,
                              const QPen& pen) const {
  const Curve& curve = state().scene().main;
  const TraceBuffer& b = curve.program->buffers[static_cast<size_t>(buffer)];
  painter.setPen(pen);
  painter.setBrush(Qt::NoBrush);
  for (const StepClock::Span& life :
       curve.clock.spans(b.first_step, b.last_step, plot.time.begin(), plot.time.end())) {
    const QPointF low(plot.x_of(life.begin), plot.y_of(static_cast<double>(b.offset)));
    const QPointF high(plot.x_of(life.end), plot.y_of(static_cast<double>(b.offset + b.bytes)));
    painter.drawRect(
        QRectF(QPointF(low.x(), high.y()), QPointF(high.x(), low.y())).adjusted(0.5, 0.5, -0.5, -0.5));
  }
}

void ArenaView::paint_marks(QPainter& painter, const PlotGeometry& plot) {
  painter.save();
  painter.setClipRect(plot.area);
  if (hovered() != ViewState::kNoBuffer) paint_outline(painter, plot, hovered(), QPen(theme::kText, 2));
  if (state().selected() != ViewState::kNoBuffer)
    paint_outline(painter, plot, state().selected(), QPen(theme::kAccent, 2.5));
  painter.restore();
  const Scene& scene = state().scene();
  std::vector<Level> levels = {{scene.arena_bytes, tr("arena"), theme::kText, Qt::SolidLine, Qt::AlignRight}};
  if (scene.budget_bytes > 0)
    levels.push_back({scene.budget_bytes, tr("budget"), theme::kBudget, Qt::DashLine});
  paint_levels(painter, plot, levels);
}

int32_t ArenaView::buffer_at(QPoint point) const {
  const Curve& curve = state().scene().main;
  return buffer_in_arena(*curve.program, curve.clock[segment_at(point.x())].step, state().visible(),
                         geometry_of_plot().bytes_at(point.y() + 0.5));
}

}  // namespace tidemark::gui
