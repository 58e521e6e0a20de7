#include "gui/models/arena_rects.h"

#include <gtest/gtest.h>

#include "tests/gui/random_program.h"

namespace tidemark::gui {
namespace {

using test::RandomShape;

/// By looking at every buffer.
int32_t buffer_at(const Program& program, int32_t step, CategorySet visible, double address) {
  int32_t found = -1;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const TraceBuffer& b = program.buffers[i];
    const bool there = b.first_step <= step && step <= b.last_step &&
                       visible[static_cast<size_t>(b.category)] && static_cast<double>(b.offset) <= address &&
                       address < static_cast<double>(b.offset + b.bytes);
    if (there) found = static_cast<int32_t>(i);
  }
  return found;
}

AxisRange range(double low, double high, double from, double to) {
  AxisRange r;
  r.set_limits(low, high);
  r.zoom((high - low) / (to - from), low);
  r.pan(from - low);
  return r;
}

class ArenaRects : public testing::TestWithParam<std::tuple<RandomShape, double, unsigned>> {
 protected:
  ArenaRects() {
    const double part = std::get<1>(GetParam());
    const double bytes = static_cast<double>(program_.arena_bytes);
    window_.time = range(0, clock_.end(), 0.3 * clock_.end() * (1 - part), clock_.end() * (0.3 + 0.7 * part));
    window_.bytes = range(0, bytes, 0.5 * bytes * (1 - part), bytes * (0.5 + 0.5 * part));
  }

  const RandomShape& shape_ = std::get<0>(GetParam());
  const Program program_ = test::random_program(shape_);
  const StepClock clock_ = test::random_clock(shape_);
  const CategorySet visible_{std::get<2>(GetParam())};
  ArenaWindow window_{.time = {}, .bytes = {}, .width = 211, .height = 97};
};

/// Each pixel shows the buffer at its middle, unless a thin one needed it.
TEST_P(ArenaRects, AreWhereTheirBuffersAre) {
  const int width = window_.width, height = window_.height;
  std::vector<int32_t> picture(static_cast<size_t>(width * height), -1);
  std::vector<int32_t> drawn(program_.buffers.size(), 0);
  for (const ArenaRect& r : arena_rects(program_, clock_, visible_, window_)) {
    ASSERT_TRUE(r.x >= 0 && r.y >= 0 && r.width >= 1 && r.height >= 1);
    ASSERT_TRUE(r.x + r.width <= width && r.y + r.height <= height);
    ++drawn[static_cast<size_t>(r.buffer)];
    for (int y = r.y; y < r.y + r.height; ++y)
      for (int x = r.x; x < r.x + r.width; ++x) picture[static_cast<size_t>(y * width + x)] = r.buffer;
  }
  int wrong = 0, thin = 0;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double time = window_.time.begin() + (x + 0.5) / width * window_.time.span();
      const double address = window_.bytes.begin() + (height - y - 0.5) / height * window_.bytes.span();
      const int32_t expected = buffer_at(program_, clock_[clock_.at(time)].step, visible_, address);
      const int32_t found = picture[static_cast<size_t>(y * width + x)];
      if (expected == found) continue;
      // Then what is drawn is within a pixel of here, and thinner than one.
      ASSERT_GE(found, 0) << x << ", " << y;
      const TraceBuffer& b = program_.buffers[static_cast<size_t>(found)];
      const double pixel_bytes = window_.bytes.span() / height, pixel_time = window_.time.span() / width;
      const bool near =
          std::abs(static_cast<double>(b.offset) - address) <= 1.5 * pixel_bytes ||
          clock_.spans(b.first_step, b.last_step, time - pixel_time, time + pixel_time).size() > 0;
      ++(near ? thin : wrong);
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_LT(thin, width * height / 4);
}

TEST_P(ArenaRects, LeaveOutOnlyWhatHasNoPixelOfItsOwn) {
  std::vector<bool> drawn(program_.buffers.size(), false);
  for (const ArenaRect& r : arena_rects(program_, clock_, visible_, window_))
    drawn[static_cast<size_t>(r.buffer)] = true;
  for (size_t i = 0; i < drawn.size(); ++i) {
    const TraceBuffer& b = program_.buffers[i];
    const bool tall = static_cast<double>(b.bytes) > 2 * window_.bytes.span() / window_.height;
    const bool in_bytes = static_cast<double>(b.offset) >= window_.bytes.begin() &&
                          static_cast<double>(b.offset + b.bytes) <= window_.bytes.end();
    bool wide = false;
    for (const StepClock::Span& s :
         clock_.spans(b.first_step, b.last_step, window_.time.begin(), window_.time.end()))
      wide |= std::min(s.end, window_.time.end()) - std::max(s.begin, window_.time.begin()) >
              2 * window_.time.span() / window_.width;
    const bool visible = visible_[static_cast<size_t>(b.category)];
    if (!visible || (tall && wide && in_bytes)) {
      EXPECT_EQ(drawn[i], visible) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Windows, ArenaRects,
                         testing::Combine(testing::Values(RandomShape{.seed = 11},
                                                          RandomShape{.seed = 12, .micro_batches = 3},
                                                          RandomShape{.seed = 13, .steps = 400, .lanes = 60}),
                                          testing::Values(1.0, 0.3, 0.05), testing::Values(0xffu, 0x35u)));

TEST(ArenaRectsInAPixel, AreNoMoreThanPixels) {
  const RandomShape shape{.seed = 3, .steps = 3000, .lanes = 400};
  const Program program = test::random_program(shape);
  const StepClock clock = test::random_clock(shape);
  ArenaWindow window{.time = {}, .bytes = {}, .width = 20, .height = 10};
  window.time.set_limits(0, clock.end());
  window.bytes.set_limits(0, static_cast<double>(program.arena_bytes));
  ASSERT_GT(program.buffers.size(), 1000u);
  EXPECT_LE(arena_rects(program, clock, CategorySet(0xff), window).size(), 20u * 10u);
}

TEST(BufferInArena, IsTheOneAtTheAddress) {
  const RandomShape shape{.seed = 21, .lanes = 6, .lane_bytes = 40};
  const Program program = test::random_program(shape);
  for (unsigned set : {0xffu, 0x0fu})
    for (int32_t step = 0; step < shape.steps; ++step)
      for (int64_t address = -1; address <= program.arena_bytes; ++address)
        ASSERT_EQ(buffer_in_arena(program, step, CategorySet(set), static_cast<double>(address)),
                  buffer_at(program, step, CategorySet(set), static_cast<double>(address)));
}

}  // namespace
}  // namespace tidemark::gui
