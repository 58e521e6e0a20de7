// Live bytes by category over time, the plan's line over them.
#pragma once

#include "gui/widgets/plot_widget.h"

namespace tidemark::gui {

class TimelineView : public PlotWidget {
  Q_OBJECT

 public:
  using PlotWidget::PlotWidget;

 protected:
  QString bytes_title() const override;
  double most_bytes() const override;
  void paint_content(QImage& image) override;
  void paint_marks(QPainter& painter, const PlotGeometry& plot) override;
  size_t segment_at(int x) const override;
  int32_t buffer_at(QPoint point) const override;

 private:
  void paint_stack(QImage& image, const PlotGeometry& pixels);
  void paint_plan(QImage& image, const PlotGeometry& pixels) const;
  void paint_peak(QPainter& painter, const PlotGeometry& plot) const;

  std::vector<int64_t> columns_;  ///< segment drawn in each device pixel column, -1: none
};

}  // namespace tidemark::gui
