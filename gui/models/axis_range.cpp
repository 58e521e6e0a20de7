#include "gui/models/axis_range.h"

#include <algorithm>

namespace tidemark::gui {
namespace {

constexpr double kDeepestZoom = 1e7;
constexpr double kMargin = 0.1;  // of the span, for what is revealed

}  // namespace

/// Within the limits, the span at most theirs.
void AxisRange::move_to(double begin, double span) {
  const double all = high_ - low_;
  span = std::clamp(span, all / kDeepestZoom, all);
  begin_ = std::clamp(begin, low_, high_ - span);
  end_ = span == all ? high_ : begin_ + span;
}

void AxisRange::set_limits(double low, double high) {
  const bool all = whole();
  low_ = low;
  high_ = high > low ? high : low + 1;
  move_to(all ? low_ : begin_, all ? high_ - low_ : span());
}

void AxisRange::reset() {
  move_to(low_, high_ - low_);
}

void AxisRange::zoom(double factor, double anchor) {
  const double all = high_ - low_;
  const double wanted = std::clamp(span() / factor, all / kDeepestZoom, all);
  const double place = (anchor - begin_) / span();
  move_to(anchor - place * wanted, wanted);
}

void AxisRange::pan(double delta) {
  move_to(begin_ + delta, span());
}

void AxisRange::reveal(double value) {
  const double margin = kMargin * span();
  if (value < begin_ + margin)
    move_to(value - margin, span());
  else if (value > end_ - margin)
    move_to(value + margin - span(), span());
}

}  // namespace tidemark::gui
