#include "gui/widgets/plot_widget.h"

#include <QApplication>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <QWheelEvent>
#include <cmath>

#include "gui/models/hover_text.h"
#include "gui/widgets/axes.h"
#include "gui/widgets/theme.h"

namespace tidemark::gui {
namespace {

constexpr double kWheelZoom = 1.2;  // per notch
constexpr double kKeyZoom = 1.5;
constexpr double kKeyPan = 0.15;  // of what is shown

}  // namespace

PlotWidget::PlotWidget(ViewState& state, QWidget* parent) : QWidget(parent), state_(state) {
  setFocusPolicy(Qt::StrongFocus);
  setMouseTracking(true);
  setCursor(Qt::CrossCursor);
  connect(&state_, &ViewState::scene_changed, this, &PlotWidget::rebuild);
  connect(&state_, &ViewState::time_changed, this, &PlotWidget::discard_content);
  connect(&state_, &ViewState::visible_changed, this, &PlotWidget::discard_content);
  connect(&state_, &ViewState::cursor_changed, this, qOverload<>(&QWidget::update));
  connect(&state_, &ViewState::selected_changed, this, qOverload<>(&QWidget::update));
}

PlotGeometry PlotWidget::geometry_of_plot() const {
  return {rect().marginsRemoved(axis_margins()), state_.time(), bytes_};
}

void PlotWidget::rebuild() {
  bands_ = phase_bands(state_.scene().main);
  recomputed_ = recompute_spans(state_.scene().main);
  bytes_.set_limits(0, most_bytes());
  discard_content();
}

void PlotWidget::discard_content() {
  content_ = {};
  update();
}

void PlotWidget::resizeEvent(QResizeEvent*) {
  discard_content();
}

size_t PlotWidget::segment_at(int x) const {
  return state_.scene().main.clock.at(geometry_of_plot().position_at(x + 0.5));
}

void PlotWidget::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), theme::kPaper);
  const PlotGeometry plot = geometry_of_plot();
  const Scene& scene = state_.scene();
  if (scene.main.clock.empty()) {
    painter.setPen(theme::kMutedText);
    painter.drawText(rect(), Qt::AlignCenter, tr("No training step has been recorded yet."));
    return;
  }
  paint_grid(painter, plot, scene.main.clock.unit());
  if (content_.isNull()) {
    content_ = QImage(plot.area.size() * devicePixelRatioF(), QImage::Format_ARGB32_Premultiplied);
    content_.fill(Qt::transparent);
    paint_content(content_);
    content_.setDevicePixelRatio(devicePixelRatioF());
  }
  painter.drawImage(plot.area.topLeft(), content_);
  painter.setRenderHint(QPainter::Antialiasing, false);
  paint_phases(painter, plot, bands_, recomputed_, scene.micro_batches);
  paint_axes(painter, plot, scene.main.clock.unit(), bytes_title());
  painter.setRenderHint(QPainter::Antialiasing);
  paint_cursor(painter, plot);
  paint_marks(painter, plot);
}

/// A line through the middle of what its segment takes on the screen, with a handle.
void PlotWidget::paint_cursor(QPainter& painter, const PlotGeometry& plot) const {
  const StepClock& clock = state_.scene().main.clock;
  const size_t s = state_.cursor();
  const double x = std::floor((plot.x_of(clock[s].begin) + plot.x_of(clock.end_of(s))) / 2) + 0.5;
  if (x < plot.area.left() || x > plot.area.right() + 1) return;
  painter.setPen(QPen(theme::kAccent, 1));
  painter.drawLine(QPointF(x, plot.area.top()), QPointF(x, plot.area.bottom() + 1));
  painter.setBrush(theme::kAccent);
  const double y = plot.area.bottom() + 2;
  const QPointF handle[] = {{x, y}, {x - 5, y + 7}, {x + 5, y + 7}};
  painter.drawPolygon(handle, 3);
}

void PlotWidget::zoom_bytes(double factor, double anchor) {
  bytes_.zoom(factor, anchor);
  discard_content();
}

void PlotWidget::reset_zoom() {
  bytes_.reset();
  state_.reset_time();
  discard_content();
}

void PlotWidget::wheelEvent(QWheelEvent* event) {
  const PlotGeometry plot = geometry_of_plot();
  const QPointF at = event->position();
  const QPoint delta = event->angleDelta();
  const double notches = (delta.y() != 0 ? delta.y() : delta.x()) / 120.0;
  const bool sideways = delta.y() == 0 || event->modifiers().testFlag(Qt::ShiftModifier);
  if (event->modifiers().testFlag(Qt::ControlModifier))
    zoom_bytes(std::pow(kWheelZoom, notches), plot.bytes_at(at.y()));
  else if (sideways)
    state_.pan_time(-notches * kKeyPan * plot.time.span());
  else
    state_.zoom_time(std::pow(kWheelZoom, notches), plot.position_at(at.x()));
  QToolTip::hideText();
  event->accept();
}

bool PlotWidget::can_point_at(QPoint point) const {
  return !state_.scene().main.clock.empty() && geometry_of_plot().area.contains(point);
}

void PlotWidget::mousePressEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton) return;
  pressed_ = dragged_to_ = event->pos();
  dragging_ = false;
}

void PlotWidget::mouseMoveEvent(QMouseEvent* event) {
  if (event->buttons().testFlag(Qt::LeftButton))
    drag_to(event->pos());
  else
    hover(event->pos(), event->globalPosition().toPoint());
}

void PlotWidget::drag_to(QPoint point) {
  if (!dragging_ && (point - pressed_).manhattanLength() < QApplication::startDragDistance()) return;
  if (!dragging_) setCursor(Qt::ClosedHandCursor);
  dragging_ = true;
  const PlotGeometry plot = geometry_of_plot();
  const QPoint delta = point - dragged_to_;
  dragged_to_ = point;
  state_.pan_time(-delta.x() * plot.time.span() / plot.area.width());
  bytes_.pan(delta.y() * plot.bytes.span() / plot.area.height());
  set_hovered(ViewState::kNoBuffer);
  QToolTip::hideText();
  discard_content();
}

void PlotWidget::mouseReleaseEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton) return;
  setCursor(Qt::CrossCursor);
  if (!dragging_ && can_point_at(event->pos())) {
    state_.set_cursor(segment_at(event->pos().x()));
    state_.select(buffer_at(event->pos()));
  }
  dragging_ = false;
}

void PlotWidget::hover(QPoint point, QPoint global) {
  if (!can_point_at(point)) {
    set_hovered(ViewState::kNoBuffer);
    QToolTip::hideText();
    return;
  }
  set_hovered(buffer_at(point));
  QToolTip::showText(global + QPoint(14, 14), hover_text(state_.scene(), segment_at(point.x()), hovered_),
                     this);
}

void PlotWidget::set_hovered(int32_t buffer) {
  if (buffer == hovered_) return;
  hovered_ = buffer;
  update();
}

void PlotWidget::leaveEvent(QEvent*) {
  set_hovered(ViewState::kNoBuffer);
}

void PlotWidget::keyPressEvent(QKeyEvent* event) {
  const PlotGeometry plot = geometry_of_plot();
  const double time_middle = (plot.time.begin() + plot.time.end()) / 2;
  const double bytes_middle = (plot.bytes.begin() + plot.bytes.end()) / 2;
  const bool bytes = event->modifiers().testFlag(Qt::ControlModifier);
  const auto zoom = [&](double factor) {
    bytes ? zoom_bytes(factor, bytes_middle) : state_.zoom_time(factor, time_middle);
  };
  const auto pan_bytes = [&](double part) {
    bytes_.pan(part * plot.bytes.span());
    discard_content();
  };
  switch (event->key()) {
    case Qt::Key_Plus:
    case Qt::Key_Equal: zoom(kKeyZoom); break;
    case Qt::Key_Minus: zoom(1 / kKeyZoom); break;
    case Qt::Key_Left: state_.pan_time(-kKeyPan * plot.time.span()); break;
    case Qt::Key_Right: state_.pan_time(kKeyPan * plot.time.span()); break;
    case Qt::Key_Up: pan_bytes(kKeyPan); break;
    case Qt::Key_Down: pan_bytes(-kKeyPan); break;
    case Qt::Key_Home: reset_zoom(); break;
    case Qt::Key_P: state_.jump_to_peak(); break;
    default: QWidget::keyPressEvent(event);
  }
}

}  // namespace tidemark::gui
