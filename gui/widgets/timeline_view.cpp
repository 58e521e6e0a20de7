#include "gui/widgets/timeline_view.h"

#include <QPainter>
#include <algorithm>
#include <cmath>

#include "base/ticks.h"
#include "base/units.h"
#include "gui/models/stack.h"
#include "gui/widgets/axes.h"
#include "gui/widgets/theme.h"

namespace tidemark::gui {
namespace {

constexpr double kHeadroom = 1.14;    // for the peak's label
constexpr double kBudgetInSight = 2;  // a budget above so many peaks does not shrink the picture

int64_t peak_of(const Curve& curve) {
  int64_t peak = 0;
  if (curve.program)
    for (const CategoryBytes& bytes : curve.program->live) peak = std::max(peak, total(bytes));
  return peak;
}

}  // namespace

QString TimelineView::bytes_title() const {
  return state().scene().measured ? tr("measured live bytes, stacked by category")
                                  : tr("planned live bytes, stacked by category");
}

double TimelineView::most_bytes() const {
  const Scene& scene = state().scene();
  const auto peak =
      static_cast<double>(std::max({peak_of(scene.main), peak_of(scene.planned), scene.plan_peak_bytes}));
  const auto budget = static_cast<double>(scene.budget_bytes);
  return kHeadroom * (budget <= kBudgetInSight * peak ? std::max(peak, budget) : peak);
}

void TimelineView::paint_content(QImage& image) {
  const PlotGeometry pixels = geometry_of_plot().within(image.rect());
  paint_stack(image, pixels);
  paint_plan(image, pixels);
}

void TimelineView::paint_stack(QImage& image, const PlotGeometry& pixels) {
  const Curve& curve = state().scene().main;
  columns_ = peak_columns(*curve.program, curve.clock, state().visible(), pixels.time.begin(),
                          pixels.time.end(), image.width());
  QPainter painter(&image);
  const auto row_of = [&](int64_t bytes) {
    return static_cast<int>(
        std::lround(std::clamp(pixels.y_of(static_cast<double>(bytes)), 0.0, 1.0 * image.height())));
  };
  for (int x = 0; x < image.width(); ++x) {
    const int64_t segment = columns_[static_cast<size_t>(x)];
    if (segment < 0) continue;
    const CategoryBytes& live =
        curve.program->live[static_cast<size_t>(curve.clock[static_cast<size_t>(segment)].step)];
    int64_t height = 0;
    for (Category category : kStackOrder) {
      const auto c = static_cast<size_t>(category);
      if (!state().visible()[c] || live[c] == 0) continue;
      const int bottom = row_of(height), top = row_of(height += live[c]);
      painter.fillRect(x, top, 1, bottom - top, theme::color_of(category));
    }
  }
}

/// A step line, two pixels wide on a white one of four, so that it stands out on every colour.
void TimelineView::paint_plan(QImage& image, const PlotGeometry& pixels) const {
  const Curve& curve = state().scene().planned;
  if (!curve.program) return;
  const std::vector<int64_t> columns = peak_columns(*curve.program, curve.clock, state().visible(),
                                                    pixels.time.begin(), pixels.time.end(), image.width());
  QPolygonF line;
  for (int x = 0; x < image.width(); ++x) {
    const int64_t segment = columns[static_cast<size_t>(x)];
    if (segment < 0) continue;
    const auto step = static_cast<size_t>(curve.clock[static_cast<size_t>(segment)].step);
    const auto bytes = static_cast<double>(sum_of(curve.program->live[step], state().visible()));
    const double y = std::round(pixels.y_of(bytes));
    line << QPointF(x, y) << QPointF(x + 1, y);
  }
  const double scale = devicePixelRatioF();
  QPainter painter(&image);
  painter.setPen(QPen(theme::kPaper, 4 * scale, Qt::SolidLine, Qt::FlatCap, Qt::MiterJoin));
  painter.drawPolyline(line);
  painter.setPen(QPen(theme::kPlanned, 2 * scale, Qt::SolidLine, Qt::FlatCap, Qt::MiterJoin));
  painter.drawPolyline(line);
}

void TimelineView::paint_peak(QPainter& painter, const PlotGeometry& plot) const {
  const Curve& curve = state().scene().main;
  const size_t peak = peak_segment(*curve.program, curve.clock, state().visible());
  const Segment& s = curve.clock[peak];
  const int64_t bytes = sum_of(curve.program->live[static_cast<size_t>(s.step)], state().visible());
  const QPointF top(plot.x_of((s.begin + curve.clock.end_of(peak)) / 2),
                    plot.y_of(static_cast<double>(bytes)));
  if (!QRectF(plot.area).adjusted(-1, -1, 1, 1).contains(top)) return;
  painter.setPen(QPen(theme::kPaper, 2));
  painter.setBrush(theme::kText);
  painter.drawEllipse(top, 5, 5);
  const std::string text = "peak " + format_bytes(bytes) + " at " + format_seconds(s.time) + ", " +
                           curve.program->steps[static_cast<size_t>(s.step)].op.str();
  const bool right = top.x() > plot.area.center().x();
  paint_plate(painter, plot.area, top + QPointF(right ? -10 : 10, -16), QString::fromStdString(text),
              theme::kText, right ? Qt::AlignRight : Qt::AlignLeft);
}

void TimelineView::paint_marks(QPainter& painter, const PlotGeometry& plot) {
  const Scene& scene = state().scene();
  if (scene.budget_bytes > 0)
    paint_levels(painter, plot, {{scene.budget_bytes, tr("budget"), theme::kBudget, Qt::DashLine}});
  paint_peak(painter, plot);
}

size_t TimelineView::segment_at(int x) const {
  const auto column =
      static_cast<size_t>(std::max(0.0, (x - geometry_of_plot().area.left()) * devicePixelRatioF()));
  const bool drawn = column < columns_.size() && columns_[column] >= 0;
  return drawn ? static_cast<size_t>(columns_[column]) : PlotWidget::segment_at(x);
}

int32_t TimelineView::buffer_at(QPoint point) const {
  const Curve& curve = state().scene().main;
  return buffer_in_stack(*curve.program, curve.clock[segment_at(point.x())].step, state().visible(),
                         geometry_of_plot().bytes_at(point.y() + 0.5));
}

}  // namespace tidemark::gui
