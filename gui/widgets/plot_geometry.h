// Where values lie on the screen.
#pragma once

#include <QRect>

#include "gui/models/axis_range.h"

namespace tidemark::gui {

struct PlotGeometry {
  QRect area;  ///< of the plot itself, without axes and labels
  AxisRange time, bytes;

  double x_of(double position) const {
    return area.left() + (position - time.begin()) / time.span() * area.width();
  }
  double y_of(double value) const {
    return area.top() + area.height() - (value - bytes.begin()) / bytes.span() * area.height();
  }
  double position_at(double x) const { return time.begin() + (x - area.left()) / area.width() * time.span(); }
  double bytes_at(double y) const {
    return bytes.begin() + (area.top() + area.height() - y) / area.height() * bytes.span();
  }
  /// The same plot in another area, such as the pixels of an image of it.
  PlotGeometry within(QRect other) const { return {other, time, bytes}; }
};

}  // namespace tidemark::gui
