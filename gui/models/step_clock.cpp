#include "gui/models/step_clock.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/units.h"

namespace tidemark::gui {

StepClock::StepClock(std::vector<Segment> segments, double end, AxisUnit unit)
    : segments_(std::move(segments)), end_(end), unit_(unit) {
  for (size_t i = 0; i < segments_.size(); ++i) {
    const int32_t step = segments_[i].step;
    if (stretches_.empty() || step != stretches_.back().first + stretches_.back().count)
      stretches_.push_back({.first = step, .count = 0, .segment = i});
    ++stretches_.back().count;
  }
}

size_t StepClock::at(double position) const {
  const auto after = std::ranges::upper_bound(segments_, position, {}, &Segment::begin);
  return static_cast<size_t>(std::max<ptrdiff_t>(0, after - segments_.begin() - 1));
}

double StepClock::seconds_between(size_t segment, size_t past_segment) const {
  const Segment& last = segments_[past_segment - 1];
  const double end = past_segment < size() ? segments_[past_segment].time : last.time + last.seconds;
  return end - segments_[segment].time;
}

std::vector<StepClock::Span> StepClock::spans(int32_t first, int32_t last, double from, double to) const {
  std::vector<Span> spans;
  if (empty()) return spans;
  auto stretch = std::ranges::upper_bound(stretches_, at(from), {}, &Stretch::segment);
  for (--stretch; stretch != stretches_.end() && segments_[stretch->segment].begin <= to; ++stretch) {
    const int32_t begin = std::max(first, stretch->first);
    const int32_t past = std::min(last + 1, stretch->first + stretch->count);
    if (begin >= past) continue;
    const size_t segment = stretch->segment + static_cast<size_t>(begin - stretch->first);
    const size_t past_segment = stretch->segment + static_cast<size_t>(past - stretch->first);
    if (spans.empty() || spans.back().past_segment != segment)
      spans.push_back({.begin = segments_[segment].begin, .first_segment = segment});
    spans.back().end = end_of(past_segment - 1);
    spans.back().past_segment = past_segment;
  }
  std::erase_if(spans, [&](const Span& s) { return s.end < from || s.begin > to; });
  return spans;
}

StepClock measured_clock(const Trace& trace, int64_t training_step) {
  const auto is_shown = [&](const Run& run) { return run.training_step == training_step; };
  size_t count = 0;
  for (const Run& run : trace.runs())
    if (is_shown(run))  // a damaged record may promise more than its bytes hold
      count += std::min(static_cast<size_t>(run.count), run.encoded.size());
  std::vector<Segment> segments;
  segments.reserve(count);
  int64_t origin = 0, end = 0;
  for (const Run& run : trace.runs()) {
    if (!is_shown(run)) continue;
    const std::vector<TimeSpan> times = trace.times(run);
    for (size_t i = 0; i < times.size(); ++i) {
      const int64_t start = std::max(end, times[i].start_ns);  // no clock runs backwards
      if (segments.empty()) origin = start;
      end = std::max(start, times[i].end_ns);
      const double time = static_cast<double>(start - origin) * 1e-9;
      segments.push_back({.step = run.first + static_cast<int32_t>(i),
                          .micro_batch = run.micro_batch,
                          .begin = time,
                          .time = time,
                          .seconds = static_cast<double>(end - start) * 1e-9});
    }
  }
  return {std::move(segments), static_cast<double>(end - origin) * 1e-9, AxisUnit::seconds};
}

StepClock predicted_clock(const PlanTimeline& plan) {
  constexpr size_t kMost = 4'000'000;
  if (plan.steps.size() > kMost / static_cast<size_t>(plan.micro_batches))
    throw Error("cannot show the plan", "micro_batches",
                "its training step runs more than " + format_count(kMost) + " ops",
                "plan with fewer micro-batches");
  // One micro-batch runs the order as it stands; of several, none may have an optimizer op within.
  const auto repeats = [&](const PlannedStep& s) { return plan.micro_batches > 1 && in_body(s.phase); };
  const auto body = std::ranges::find_if(plan.steps, repeats);
  const auto body_end = std::find_if_not(body, plan.steps.end(), repeats);
  std::vector<Segment> segments;
  double now = 0;
  const auto run = [&](auto from, auto to, int32_t micro_batch) {
    for (auto s = from; s != to; ++s) {
      segments.push_back({.step = static_cast<int32_t>(s - plan.steps.begin()),
                          .micro_batch = micro_batch,
                          .begin = now,
                          .time = now,
                          .seconds = s->seconds});
      now += s->seconds;
    }
  };
  run(plan.steps.begin(), body, -1);
  for (int m = 0; m < plan.micro_batches && body != body_end; ++m) run(body, body_end, m);
  run(body_end, plan.steps.end(), -1);
  return {std::move(segments), now, AxisUnit::seconds};
}

StepClock counting_ops(const StepClock& clock) {
  std::vector<Segment> segments;
  segments.reserve(clock.size());
  for (size_t i = 0; i < clock.size(); ++i) {
    segments.push_back(clock[i]);
    segments.back().begin = static_cast<double>(i);
  }
  const auto end = static_cast<double>(segments.size());
  return {std::move(segments), end, AxisUnit::ops};
}

}  // namespace tidemark::gui
