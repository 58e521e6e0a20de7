#include "gui/models/phase_bands.h"

namespace tidemark::gui {

std::vector<Band> phase_bands(const Curve& curve) {
  std::vector<Band> bands;
  for (size_t i = 0; i < curve.clock.size(); ++i) {
    const Segment& s = curve.clock[i];
    const Phase phase = curve.program->steps[static_cast<size_t>(s.step)].phase;
    if (bands.empty() || bands.back().phase != phase || bands.back().micro_batch != s.micro_batch)
      bands.push_back({.begin = s.begin, .phase = phase, .micro_batch = s.micro_batch});
    bands.back().end = curve.clock.end_of(i);
  }
  return bands;
}

std::vector<StepClock::Span> recompute_spans(const Curve& curve) {
  std::vector<StepClock::Span> spans;
  for (size_t i = 0; i < curve.clock.size(); ++i) {
    if (!curve.program->steps[static_cast<size_t>(curve.clock[i].step)].recompute) continue;
    if (spans.empty() || spans.back().past_segment != i)
      spans.push_back({.begin = curve.clock[i].begin, .first_segment = i});
    spans.back().end = curve.clock.end_of(i);
    spans.back().past_segment = i + 1;
  }
  return spans;
}

}  // namespace tidemark::gui
