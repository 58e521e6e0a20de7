#include "profiler/trace.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "tests/profiler/sample.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::HasSubstr;

class TraceTest : public ScratchTest {
 protected:
  std::string traced(int64_t steps) const {
    Sample().write(path("run.tide"), steps);
    return path("run.tide");
  }
};

TEST_F(TraceTest, GivesBackWhatWasWritten) {
  const Sample sample;
  const Trace trace(traced(3));
  EXPECT_EQ(trace.damage(), "");
  EXPECT_EQ(trace.metadata(), sample.metadata);
  ASSERT_EQ(trace.buffers().size(), sample.buffers.size());
  for (size_t i = 0; i < sample.buffers.size(); ++i) {
    const TraceBuffer &read = trace.buffers()[i], &written = sample.buffers[i];
    EXPECT_EQ(read.name, written.name);
    EXPECT_EQ(read.type, written.type);
    EXPECT_EQ(read.op, written.op);
    EXPECT_EQ(read.module, written.module);
    EXPECT_EQ(read.category, written.category);
    EXPECT_EQ(read.bytes, written.bytes);
    EXPECT_EQ(read.offset, written.offset);
    EXPECT_EQ(read.first_step, written.first_step);
    EXPECT_EQ(read.last_step, written.last_step);
    EXPECT_EQ(read.persistent, written.persistent);
  }
  ASSERT_EQ(trace.program().size(), 3u);
  EXPECT_EQ(trace.program()[1].op, "net.backward");
  EXPECT_EQ(trace.program()[1].kind, "linear_grad_weight");
  EXPECT_EQ(trace.program()[2].phase, Phase::optimizer);

  ASSERT_EQ(trace.runs().size(), 9u);
  for (const auto& run : trace.runs()) {
    const std::vector<TimeSpan> times = trace.times(run);
    ASSERT_EQ(times.size(), static_cast<size_t>(run.count));
    const int32_t micro_batch = run.micro_batch < 0 ? 5 : run.micro_batch;
    for (int32_t i = 0; i < run.count; ++i) {
      const TimeSpan expected = Sample::time(run.training_step, micro_batch, run.first + i);
      EXPECT_EQ(times[static_cast<size_t>(i)].start_ns, expected.start_ns);
      EXPECT_EQ(times[static_cast<size_t>(i)].end_ns, expected.end_ns);
    }
  }
  ASSERT_EQ(trace.steps().size(), 3u);
  EXPECT_EQ(trace.steps()[2].number, 2);
  EXPECT_EQ(trace.steps()[2].loss, Sample::step(2).loss);
  EXPECT_EQ(trace.steps()[2].arena_resident_bytes, 12288);
  EXPECT_EQ(trace.steps()[2].end_ns, Sample::step(2).end_ns);
}

TEST_F(TraceTest, KeepsExtremeTimes) {
  const Sample sample;
  const TimeSpan times[] = {
      {INT64_MIN / 4, INT64_MIN / 4}, {0, INT64_MAX / 4}, {INT64_MAX / 4, INT64_MAX / 2}};
  {
    TraceWriter writer = sample.writer(path("run.tide"));
    writer.run(0, 0, 0, times);
  }
  const Trace trace(path("run.tide"));
  const std::vector<TimeSpan> read = trace.times(trace.runs().at(0));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(read[i].start_ns, times[i].start_ns);
    EXPECT_EQ(read[i].end_ns, times[i].end_ns);
  }
}

TEST_F(TraceTest, TheTimelineAddsUpWhatLives) {
  const Trace trace(traced(2));
  const std::vector<MemorySample> timeline = trace.timeline(1);
  ASSERT_EQ(timeline.size(), 3u);
  const auto bytes = [&](size_t step, Category c) { return timeline[step].bytes[static_cast<size_t>(c)]; };
  EXPECT_EQ(timeline[0].total(), 4096 + 2048 + 1024);
  EXPECT_EQ(timeline[1].total(), 4096 + 2048 + 4096);
  EXPECT_EQ(timeline[2].total(), 4096 + 4096);
  EXPECT_EQ(bytes(0, Category::workspace), 1024);
  EXPECT_EQ(bytes(1, Category::workspace), 0);
  EXPECT_EQ(bytes(1, Category::gradient), 4096);
  // The last micro-batch's times for the body.
  EXPECT_EQ(timeline[0].time_ns, Sample::time(1, 1, 0).start_ns);
  EXPECT_EQ(timeline[2].time_ns, Sample::time(1, 5, 2).start_ns);
  EXPECT_THAT(message_of<Error>([&] { trace.timeline(7); }), HasSubstr("no training step 7"));
}

TEST_F(TraceTest, MediansLeaveTheColdStepOut) {
  const Sample sample;
  {
    TraceWriter writer = sample.writer(path("run.tide"));
    for (int64_t step = 0; step < 4; ++step) {
      const TimeSpan times[] = {{0, step == 0 ? 9'000'000 : 1000 * step}};
      writer.run(step, 0, 0, times);
    }
  }
  EXPECT_DOUBLE_EQ(median_op_seconds(Trace(path("run.tide"))).at("net.forward"), 2e-6);
}

TEST_F(TraceTest, RefusesWhatIsNoTrace) {
  const auto refusal = [&](const std::string& bytes) {
    const std::string file = write("no.tide", bytes);
    const std::string message = message_of<Error>([&] { Trace{file}; });
    EXPECT_THAT(message, HasSubstr(file));
    return message;
  };
  EXPECT_THAT(refusal(""), HasSubstr("not a .tide trace"));
  EXPECT_THAT(refusal("a text that is long enough to hold a header"), HasSubstr("not a .tide trace"));
  std::string other = bytes_of(traced(1));
  other[8] = 9;
  EXPECT_THAT(refusal(other), HasSubstr("version 9"));
  EXPECT_THAT(message_of<Error>([&] { Trace{path("nothing")}; }), HasSubstr("No such file"));
  EXPECT_THAT(message_of<Error>([&] { Trace{folder_.string()}; }), HasSubstr("not a regular file"));
}

TEST_F(TraceTest, WritesToAFullDiskFailWithOneClearError) {
  const Sample sample;
  const std::string message = message_of<Error>([&] { sample.writer("/dev/full"); });
  EXPECT_THAT(message, HasSubstr("cannot write the trace: /dev/full: No space left on device"));
  EXPECT_THAT(message_of<Error>([&] { sample.writer(path("none/run.tide")); }), HasSubstr("No such file"));
}

}  // namespace
}  // namespace tidemark
