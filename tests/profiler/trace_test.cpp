#include "profiler/trace.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "tests/profiler/sample.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::AllOf;
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
  for (size_t i = 0; i < sample.buffers.size(); ++i) EXPECT_EQ(trace.buffers()[i], sample.buffers[i]);
  ASSERT_EQ(trace.program().size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(trace.program()[i], sample.program[i]);

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
  // Of a training step the last micro-batch's times for the body.
  EXPECT_EQ(trace.program_times(1)[0].start_ns, Sample::time(1, 1, 0).start_ns);
  EXPECT_EQ(trace.program_times(1)[2].start_ns, Sample::time(1, 5, 2).start_ns);
  EXPECT_THAT(message_of<Error>([&] { trace.program_times(7); }), HasSubstr("no training step 7"));

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

TEST_F(TraceTest, KeepsRowsOfManyFrames) {
  constexpr size_t kSteps = 30'000;
  const auto step = [](size_t i) {
    const std::string kind = "kind " + std::to_string(i % 7);
    return ProgramStep{Name::numbered(kind, static_cast<int32_t>(i)), kind,
                       "module " + std::to_string(i % 5000) + std::string(i % 90, 'x'),
                       static_cast<Phase>(i * kPhaseCount / kSteps), i % 3 == 0};
  };
  const auto buffer = [&](size_t i) {
    const auto first = static_cast<int32_t>(i % kSteps);
    return TraceBuffer{i % 2 == 0 ? step(i % kSteps).op : Name("of step " + std::to_string(i)),
                       i % 11 == 0 ? "f32[1]" : "",
                       step(i % kSteps).op,
                       "module",
                       static_cast<Category>(i % kCategoryCount),
                       static_cast<int64_t>(i * 512),
                       static_cast<int64_t>(i << 20),
                       first,
                       std::min(first + static_cast<int32_t>(i % 1000), static_cast<int32_t>(kSteps) - 1),
                       i % 13 == 0};
  };
  TraceWriter(path("run.tide"), {{"model", "m"}}, {kSteps + 9, buffer}, {kSteps, step});
  const Trace trace(path("run.tide"));
  ASSERT_EQ(trace.program().size(), kSteps);
  ASSERT_EQ(trace.buffers().size(), kSteps + 9);
  for (size_t i = 0; i < kSteps; i += 7) EXPECT_EQ(trace.program()[i], step(i)) << i;
  for (size_t i = 0; i < kSteps + 9; i += 8) EXPECT_EQ(trace.buffers()[i], buffer(i)) << i;
  // What has no step yet is growing; what ends within its tables is no trace yet.
  const std::string whole = bytes_of(path("run.tide"));
  EXPECT_GT(whole.size(), size_t{1} << 20);
  for (const size_t size : {whole.size() - 1, whole.size() / 2, size_t{200'000}, size_t{20}})
    EXPECT_THAT(
        message_of<Error>([&] { Trace{write("cut.tide", whole.substr(0, size))}; }),
        AllOf(HasSubstr("cut.tide"), HasSubstr("ends before its tables"), HasSubstr("cut short at byte")));
}

TEST_F(TraceTest, NeedsNoBuffers) {
  TraceWriter(path("run.tide"), {{"model", "m"}}, {}, std::vector<ProgramStep>(2));
  EXPECT_EQ(Trace(path("run.tide")).program().size(), 2u);
  EXPECT_TRUE(Trace(path("run.tide")).buffers().empty());
}

TEST_F(TraceTest, NamesNeedNotBeUtf8) {
  Sample sample;
  sample.program[0].kind = "\xff kind";
  sample.write(path("run.tide"), 1);
  EXPECT_EQ(Trace(path("run.tide")).program()[0].kind, "\xef\xbf\xbd kind");
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
