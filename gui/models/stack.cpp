#include "gui/models/stack.h"

namespace tidemark::gui {

int64_t sum_of(const CategoryBytes& bytes, CategorySet visible) {
  int64_t sum = 0;
  for (size_t c = 0; c < kCategoryCount; ++c)
    if (visible[c]) sum += bytes[c];
  return sum;
}

std::vector<int64_t> peak_columns(const Program& program, const StepClock& clock, CategorySet visible,
                                  double from, double to, int columns) {
  std::vector<int64_t> peaks(static_cast<size_t>(columns), -1);
  if (clock.empty()) return peaks;
  const double width = (to - from) / columns;
  size_t segment = clock.at(from);
  for (int c = 0; c < columns; ++c) {
    const double left = from + c * width, right = from + (c + 1) * width;
    if (left >= clock.end() || right <= clock.begin()) continue;
    while (segment + 1 < clock.size() && clock.end_of(segment) <= left) ++segment;
    int64_t most = -1;
    for (size_t s = segment; s < clock.size() && (s == segment || clock[s].begin < right); ++s) {
      const int64_t bytes = sum_of(program.live[static_cast<size_t>(clock[s].step)], visible);
      if (bytes <= most) continue;
      most = bytes;
      peaks[static_cast<size_t>(c)] = static_cast<int64_t>(s);
    }
  }
  return peaks;
}

size_t peak_segment(const Program& program, const StepClock& clock, CategorySet visible) {
  size_t peak = 0;
  int64_t most = -1;
  for (size_t s = 0; s < clock.size(); ++s) {
    const int64_t bytes = sum_of(program.live[static_cast<size_t>(clock[s].step)], visible);
    if (bytes <= most) continue;
    most = bytes;
    peak = s;
  }
  return peak;
}

int32_t buffer_in_stack(const Program& program, int32_t step, CategorySet visible, double bytes) {
  if (bytes < 0) return -1;
  const std::vector<int32_t> live = live_buffers(program, step);
  double height = 0;
  for (Category category : kStackOrder) {
    if (!visible[static_cast<size_t>(category)]) continue;
    for (int32_t i : live) {
      const TraceBuffer& b = program.buffers[static_cast<size_t>(i)];
      if (b.category != category) continue;
      height += static_cast<double>(b.bytes);
      if (bytes < height) return i;
    }
  }
  return -1;
}

}  // namespace tidemark::gui
