// When the steps of a program ran in one training step: the horizontal axis of every plot.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/plan_timeline.h"
#include "profiler/trace.h"

namespace tidemark::gui {

/// What a position on the axis means: seconds since the first op began, or ops that have run.
enum class AxisUnit : uint8_t { seconds, ops };

/// One execution of a program step. With several micro-batches a step of the body has several.
struct Segment {
  int32_t step = 0;
  int32_t micro_batch = 0;  ///< -1: once per training step
  double begin = 0;         ///< position; it lasts until the next one begins
  double time = 0;          ///< when the op began, seconds since the first one did
  double seconds = 0;       ///< that the op took
};

class StepClock {
 public:
  struct Span {
    double begin = 0, end = 0;  ///< positions
    size_t first_segment = 0, past_segment = 0;
  };

  StepClock() = default;
  /// `segments` in the order in which they ran; none begins before the one before it.
  StepClock(std::vector<Segment> segments, double end, AxisUnit unit);

  bool empty() const { return segments_.empty(); }
  size_t size() const { return segments_.size(); }
  const Segment& operator[](size_t segment) const { return segments_[segment]; }
  AxisUnit unit() const { return unit_; }

  /// Seconds from the beginning of a segment to the beginning of one after it, or to the end.
  double seconds_between(size_t segment, size_t past_segment) const;

  double begin() const { return empty() ? 0 : segments_.front().begin; }
  double end() const { return end_; }
  double end_of(size_t segment) const { return segment + 1 < size() ? segments_[segment + 1].begin : end_; }
  /// The segment at a position, or the nearest. There must be one.
  size_t at(double position) const;

  /// Where a buffer that lives through program steps [first, last] does so, as far as it touches
  /// [from, to], in order: once, or once per micro-batch.
  std::vector<Span> spans(int32_t first, int32_t last, double from, double to) const;

 private:
  /// Consecutive program steps that ran one after the other.
  struct Stretch {
    int32_t first = 0, count = 0;
    size_t segment = 0;  ///< of `first`
  };

  std::vector<Segment> segments_;
  std::vector<Stretch> stretches_;
  double end_ = 0;
  AxisUnit unit_ = AxisUnit::seconds;
};

/// Empty where the trace has no times of this training step. Throws Error where they are damaged.
StepClock measured_clock(const Trace& trace, int64_t training_step);
/// Throws Error where a training step runs millions of ops.
StepClock predicted_clock(const PlanTimeline& plan);
/// The same executions, each as wide as any other.
StepClock counting_ops(const StepClock& clock);

}  // namespace tidemark::gui
