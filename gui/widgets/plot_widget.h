// What the two plots share: axes, zoom and pan by wheel, drag and keys, the cursor, the tooltip.
#pragma once

#include <QImage>
#include <QWidget>

#include "gui/models/phase_bands.h"
#include "gui/models/view_state.h"
#include "gui/widgets/plot_geometry.h"

namespace tidemark::gui {

class PlotWidget : public QWidget {
  Q_OBJECT

 public:
  PlotWidget(ViewState& state, QWidget* parent);

  PlotGeometry geometry_of_plot() const;
  QSize sizeHint() const override { return {860, 460}; }
  QSize minimumSizeHint() const override { return {420, 240}; }

  void zoom_bytes(double factor, double anchor);
  void reset_zoom();

 protected:
  /// What the bytes axis shows.
  virtual QString bytes_title() const = 0;
  /// The top of the bytes axis, unzoomed.
  virtual double most_bytes() const = 0;
  /// Paints what is kept between paints: the image is as large as the area, in device pixels.
  virtual void paint_content(QImage& image) = 0;
  /// Paints lines and labels over it.
  virtual void paint_marks(QPainter& painter, const PlotGeometry& plot) = 0;
  /// The segment of the main curve that is drawn at a pixel column; there is at least one.
  virtual size_t segment_at(int x) const;
  /// The buffer that is drawn at a pixel, or ViewState::kNoBuffer.
  virtual int32_t buffer_at(QPoint point) const = 0;

  ViewState& state() const { return state_; }
  int32_t hovered() const { return hovered_; }

  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void wheelEvent(QWheelEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;
  void leaveEvent(QEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 private:
  void rebuild();
  void discard_content();
  void drag_to(QPoint point);
  void hover(QPoint point, QPoint global);
  void set_hovered(int32_t buffer);
  void paint_cursor(QPainter& painter, const PlotGeometry& plot) const;
  bool can_point_at(QPoint point) const;

  ViewState& state_;
  AxisRange bytes_;
  std::vector<Band> bands_;
  std::vector<StepClock::Span> recomputed_;
  QImage content_;  ///< null: to be painted anew
  int32_t hovered_ = ViewState::kNoBuffer;
  QPoint pressed_, dragged_to_;
  bool dragging_ = false;
};

}  // namespace tidemark::gui
