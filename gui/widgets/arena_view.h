// Address by time: a rectangle for every buffer.
#pragma once

#include "gui/widgets/plot_widget.h"

namespace tidemark::gui {

class ArenaView : public PlotWidget {
  Q_OBJECT

 public:
  using PlotWidget::PlotWidget;

 protected:
  QString bytes_title() const override;
  double most_bytes() const override;
  void paint_content(QImage& image) override;
  void paint_marks(QPainter& painter, const PlotGeometry& plot) override;
  int32_t buffer_at(QPoint point) const override;

 private:
  void paint_outline(QPainter& painter, const PlotGeometry& plot, int32_t buffer, const QPen& pen) const;
};

}  // namespace tidemark::gui
