#include "gui/models/arena_rects.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tidemark::gui {
namespace {

struct PixelSpan {
  int begin = 0, size = 0;
  bool thin = false;
};

/// [begin, end) of an axis in pixels, within [0, pixels). Neighbours share their edge.
PixelSpan to_pixels(double begin, double end, const AxisRange& axis, int pixels) {
  const double scale = pixels / axis.span();
  const auto pixel = [&](double value) {
    return static_cast<int>(std::lround(std::clamp((value - axis.begin()) * scale, 0.0, 1.0 * pixels)));
  };
  PixelSpan span{pixel(begin), 0, false};
  span.size = pixel(end) - span.begin;
  span.thin = span.size == 0;
  if (span.thin) {
    span.begin = std::min(span.begin, pixels - 1);
    span.size = 1;
  }
  return span;
}

/// The pixels that thin rectangles have taken.
class TakenPixels {
 public:
  TakenPixels(int width, int height)
      : width_(static_cast<size_t>(width)), taken_(width_ * static_cast<size_t>(height)) {}

  /// Whether any of them was free.
  bool take(const ArenaRect& r) {
    bool any = false;
    for (int y = r.y; y < r.y + r.height; ++y) {
      char* row = taken_.data() + static_cast<size_t>(y) * width_ + r.x;
      const auto size = static_cast<size_t>(r.width);
      if (std::memchr(row, 0, size) == nullptr) continue;
      std::memset(row, 1, size);
      any = true;
    }
    return any;
  }

 private:
  size_t width_;
  std::vector<char> taken_;
};

}  // namespace

std::vector<ArenaRect> arena_rects(const Program& program, const StepClock& clock, CategorySet visible,
                                   const ArenaWindow& window) {
  std::vector<ArenaRect> rects;
  if (clock.empty() || window.width <= 0 || window.height <= 0) return rects;
  TakenPixels taken(window.width, window.height);
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const TraceBuffer& b = program.buffers[i];
    const auto low = static_cast<double>(b.offset), high = static_cast<double>(b.offset + b.bytes);
    if (!visible[static_cast<size_t>(b.category)] || high <= window.bytes.begin() ||
        low >= window.bytes.end())
      continue;
    const PixelSpan y = to_pixels(low, high, window.bytes, window.height);
    for (const StepClock::Span& life :
         clock.spans(b.first_step, b.last_step, window.time.begin(), window.time.end())) {
      const PixelSpan x = to_pixels(life.begin, life.end, window.time, window.width);
      const ArenaRect rect{static_cast<int32_t>(i), x.begin, window.height - y.begin - y.size, x.size,
                           y.size};
      if ((x.thin || y.thin) && !taken.take(rect)) continue;
      rects.push_back(rect);
    }
  }
  return rects;
}

int32_t buffer_in_arena(const Program& program, int32_t step, CategorySet visible, double address) {
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const TraceBuffer& b = program.buffers[i];
    if (lives_at(b, step) && visible[static_cast<size_t>(b.category)] &&
        static_cast<double>(b.offset) <= address && address < static_cast<double>(b.offset + b.bytes))
      return static_cast<int32_t>(i);
  }
  return -1;
}

}  // namespace tidemark::gui
