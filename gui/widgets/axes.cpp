#include "gui/widgets/axes.h"

#include <QObject>

#include <algorithm>
#include <cmath>

#include "base/ticks.h"
#include "base/units.h"
#include "gui/widgets/theme.h"

namespace tidemark::gui {
namespace {

constexpr int kTickLength = 4;
constexpr int kPixelsPerTimeTick = 90;
constexpr int kPixelsPerByteTick = 48;
constexpr int kLeastWithLine = 6;  // pixels; what is narrower stands among others of its kind

std::vector<Tick> time_ticks_of(const PlotGeometry& plot, AxisUnit unit) {
  const auto ticks = unit == AxisUnit::ops ? count_ticks : second_ticks;
  return ticks(plot.time.begin(), plot.time.end(), plot.area.width() / kPixelsPerTimeTick);
}

std::vector<Tick> byte_ticks_of(const PlotGeometry& plot) {
  return byte_ticks(plot.bytes.begin(), plot.bytes.end(), plot.area.height() / kPixelsPerByteTick);
}

QString label_of(const Band& band, int64_t micro_batches) {
  QString label = QString::fromLatin1(name_of(band.phase).data());
  if (micro_batches > 1 && band.micro_batch >= 0)
    label += QStringLiteral(" %1/%2").arg(band.micro_batch + 1).arg(micro_batches);
  return label;
}

}  // namespace

QMargins axis_margins() {
  return {84, kPhaseStripHeight + kRecomputeLaneHeight + 12, 20, 44};
}

void paint_grid(QPainter& painter, const PlotGeometry& plot, AxisUnit unit) {
  painter.setPen(QPen(theme::kGrid, 1));
  for (const Tick& t : byte_ticks_of(plot)) {
    const int y = static_cast<int>(plot.y_of(t.value));
    painter.drawLine(plot.area.left(), y, plot.area.right(), y);
  }
  for (const Tick& t : time_ticks_of(plot, unit)) {
    const int x = static_cast<int>(plot.x_of(t.value));
    painter.drawLine(x, plot.area.top(), x, plot.area.bottom());
  }
}

void paint_axes(QPainter& painter, const PlotGeometry& plot, AxisUnit unit, const QString& bytes_title) {
  const QRect& area = plot.area;
  painter.setFont(theme::small_font());
  const int height = painter.fontMetrics().height();
  painter.setPen(QPen(theme::kMutedText, 1));
  painter.drawLine(area.left() - 1, area.top(), area.left() - 1, area.bottom() + 1);
  painter.drawLine(area.left() - 1, area.bottom() + 1, area.right(), area.bottom() + 1);
  for (const Tick& t : byte_ticks_of(plot)) {
    const int y = static_cast<int>(plot.y_of(t.value));
    painter.setPen(theme::kMutedText);
    painter.drawLine(area.left() - 1 - kTickLength, y, area.left() - 1, y);
    painter.setPen(theme::kText);
    painter.drawText(QRect(0, y - height / 2, area.left() - 9, height), Qt::AlignRight | Qt::AlignVCenter,
                     QString::fromStdString(t.label));
  }
  for (const Tick& t : time_ticks_of(plot, unit)) {
    const int x = static_cast<int>(plot.x_of(t.value));
    painter.setPen(theme::kMutedText);
    painter.drawLine(x, area.bottom() + 1, x, area.bottom() + 1 + kTickLength);
    painter.setPen(theme::kText);
    const QString label = QString::fromStdString(t.label);
    const int width = painter.fontMetrics().horizontalAdvance(label) + 2;
    const int left = std::clamp(x - width / 2, 0, area.right() + axis_margins().right() - width);
    painter.drawText(QRect(left, area.bottom() + 7, width, height), Qt::AlignCenter, label);
  }
  painter.setPen(theme::kMutedText);
  const int title_y = area.bottom() + 9 + height;
  painter.drawText(QRect(area.left(), title_y, area.width(), height), Qt::AlignRight,
                   unit == AxisUnit::seconds ? QObject::tr("time since the step's first op began")
                                             : QObject::tr("ops that have run"));
  painter.drawText(QRect(area.left(), title_y, area.width(), height), Qt::AlignLeft, bytes_title);
}

void paint_phases(QPainter& painter, const PlotGeometry& plot, const std::vector<Band>& bands,
                  const std::vector<StepClock::Span>& recomputed, int64_t micro_batches) {
  const QRect& area = plot.area;
  const auto x_within = [&](double position) {
    return static_cast<int>(
        std::clamp(plot.x_of(position), double(area.left()), area.left() + double(area.width())));
  };
  const int top = area.top() - kPhaseStripHeight - kRecomputeLaneHeight - 4;
  painter.setFont(theme::small_font());
  for (const Band& band : bands) {
    const int left = x_within(band.begin), right = x_within(band.end);
    if (right - left < 1) continue;
    const QRect box(left, top, right - left, kPhaseStripHeight);
    painter.fillRect(box, theme::tint_of(band.phase));
    painter.setPen(QPen(QColor(0x1b, 0x1f, 0x24, 60), 1, Qt::DotLine));
    if (left > area.left() && box.width() >= kLeastWithLine) painter.drawLine(left, top, left, area.bottom());
    const QString label = label_of(band, micro_batches);
    if (painter.fontMetrics().horizontalAdvance(label) + 8 > box.width()) continue;
    painter.setPen(theme::kText);
    painter.drawText(box, Qt::AlignCenter, label);
  }
  const int lane = top + kPhaseStripHeight + 2;
  int painted = -1;  // marks closer than a pixel are one
  for (const StepClock::Span& span : recomputed) {
    if (span.end < plot.time.begin() || span.begin > plot.time.end()) continue;
    const int left = x_within(span.begin), right = std::max(left + 1, x_within(span.end));
    if (right <= painted) continue;
    painter.fillRect(QRect(left, lane, right - left, kRecomputeLaneHeight), theme::kMutedText);
    painted = right;
  }
}

void paint_plate(QPainter& painter, const QRect& area, QPointF anchor, const QString& text, QColor color,
                 Qt::Alignment align) {
  painter.setFont(theme::small_font());
  const QFontMetrics metrics = painter.fontMetrics();
  QRect plate(0, 0, metrics.horizontalAdvance(text) + 12, metrics.height() + 6);
  plate.moveTop(static_cast<int>(anchor.y()) - plate.height() / 2);
  if (align & Qt::AlignRight)
    plate.moveRight(static_cast<int>(anchor.x()));
  else
    plate.moveLeft(static_cast<int>(anchor.x()));
  plate.moveLeft(
      std::clamp(plate.left(), area.left() + 2, std::max(area.left() + 2, area.right() - plate.width() - 2)));
  plate.moveTop(
      std::clamp(plate.top(), area.top() + 2, std::max(area.top() + 2, area.bottom() - plate.height() - 2)));
  painter.setPen(QPen(color, 1));
  painter.setBrush(QColor(255, 255, 255, 235));
  painter.drawRoundedRect(QRectF(plate).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3);
  painter.setPen(color);
  painter.drawText(plate, Qt::AlignCenter, text);
}

void paint_levels(QPainter& painter, const PlotGeometry& plot, const std::vector<Level>& levels) {
  const auto y_of = [&](const Level& l) { return std::floor(plot.y_of(static_cast<double>(l.bytes))) + 0.5; };
  const auto in_sight = [&](const Level& l) {
    return plot.area.top() <= y_of(l) && y_of(l) <= plot.area.bottom();
  };
  for (const Level& l : levels) {
    if (!in_sight(l)) continue;
    painter.setPen(QPen(l.color, 1.5, l.style));
    painter.drawLine(QPointF(plot.area.left(), y_of(l)), QPointF(plot.area.right(), y_of(l)));
  }
  for (const Level& l : levels) {
    if (!in_sight(l)) continue;
    const int x = l.side == Qt::AlignRight ? plot.area.right() - 6 : plot.area.left() + 6;
    const QString text = l.name + QString::fromStdString(" " + format_bytes(l.bytes));
    paint_plate(painter, plot.area, {1.0 * x, y_of(l)}, text, l.color, l.side);
  }
}

}  // namespace tidemark::gui
