// The part of an axis that a plot shows.
#pragma once

namespace tidemark::gui {

class AxisRange {
 public:
  double begin() const { return begin_; }
  double end() const { return end_; }
  double span() const { return end_ - begin_; }
  bool whole() const { return begin_ <= low_ && end_ >= high_; }

  /// What there is to show. Keeps what is shown as far as that allows; if that was all, it is all again.
  void set_limits(double low, double high);
  void reset();
  /// `factor` above 1 shows less. The value `anchor` stays where it is, as long as the limits allow.
  void zoom(double factor, double anchor);
  void pan(double delta);
  /// Moves as little as it takes to have `value` well inside.
  void reveal(double value);

  bool operator==(const AxisRange&) const = default;

 private:
  void move_to(double begin, double span);

  double low_ = 0, high_ = 1;
  double begin_ = 0, end_ = 1;
};

}  // namespace tidemark::gui
