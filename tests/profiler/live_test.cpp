// A trace outlives its writer, and can be read while it grows.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <random>

#include "base/error.h"
#include "profiler/attribution.h"
#include "tests/profiler/sample.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

class LiveTest : public ScratchTest {
 protected:
  /// Forks a process that writes training steps without end, and tells of each that is done.
  pid_t start_writer(int* told) {
    int channel[2];
    EXPECT_EQ(::pipe(channel), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(channel[0]);
      TraceWriter writer = Sample().writer(path("run.tide"));
      for (int64_t step = 0;; ++step) {
        Sample::append(writer, step);
        if (::write(channel[1], &step, sizeof step) != sizeof step) ::_exit(1);
      }
    }
    ::close(channel[1]);
    *told = channel[0];
    return child;
  }
  static void check_steps(const Trace& trace) {
    for (size_t i = 0; i < trace.steps().size(); ++i) {
      EXPECT_EQ(trace.steps()[i].number, static_cast<int64_t>(i));
      EXPECT_EQ(trace.steps()[i].loss, Sample::step(static_cast<int64_t>(i)).loss);
    }
    for (const auto& run : trace.runs())
      EXPECT_EQ(
          trace.times(run).front().start_ns,
          Sample::time(run.training_step, run.micro_batch < 0 ? 5 : run.micro_batch, run.first).start_ns);
  }
};

TEST_F(LiveTest, SurvivesTheKillOfItsWriter) {
  std::mt19937 random(2);
  for (int round = 0; round < 20; ++round) {
    int told = -1;
    const pid_t child = start_writer(&told);
    int64_t done = -1;
    const int64_t enough = static_cast<int64_t>(random() % 200);
    while (done < enough && ::read(told, &done, sizeof done) == sizeof done) {
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(told, &done, sizeof done) == sizeof done) {
    }
    ::close(told);
    const Trace trace(path("run.tide"));
    EXPECT_GE(static_cast<int64_t>(trace.steps().size()), done + 1);  // all that a call returned from
    check_steps(trace);
  }
}

TEST_F(LiveTest, IsReadWhileItIsWritten) {
  int told = -1;
  const pid_t child = start_writer(&told);
  int64_t done = -1;
  ASSERT_EQ(::read(told, &done, sizeof done), static_cast<ssize_t>(sizeof done));
  Trace trace(path("run.tide"));
  while (trace.steps().size() < 500) {
    const size_t before = trace.steps().size();
    trace.refresh();
    EXPECT_GE(trace.steps().size(), before);
    while (done < static_cast<int64_t>(trace.steps().size()) && ::read(told, &done, sizeof done) > 0) {
    }
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(told);
  check_steps(trace);
  EXPECT_EQ(attribute(trace).training_step, static_cast<int64_t>(trace.steps().size()) - 1);
}

TEST_F(LiveTest, HalfARecordIsFinishedLater) {
  Sample().write(path("whole.tide"), 3);
  const std::string whole = bytes_of(path("whole.tide"));
  write("growing.tide", whole.substr(0, whole.size() - 20));
  Trace trace(path("growing.tide"));
  EXPECT_EQ(trace.steps().size(), 2u);
  EXPECT_NE(trace.damage(), "");
  EXPECT_FALSE(trace.refresh());
  write("growing.tide", whole);
  EXPECT_TRUE(trace.refresh());
  EXPECT_EQ(trace.steps().size(), 3u);
  EXPECT_EQ(trace.damage(), "");
  check_steps(trace);
}

TEST_F(LiveTest, ANewTraceInItsPlaceIsNotTakenForMoreOfIt) {
  const std::function<void(Sample&)> changes[] = {[](Sample& s) { s.metadata["started"] = "later"; },
                                                  [](Sample& s) { s.program[2].recompute = true; },
                                                  [](Sample& s) { s.buffers[3].bytes += 64; }};
  for (const auto& change : changes) {
    Sample sample;
    sample.write(path("run.tide"), 3);
    Trace trace(path("run.tide"));
    change(sample);
    sample.write(path("run.tide"), 5);
    EXPECT_THROW(trace.refresh(), Error);
    EXPECT_EQ(trace.steps().size(), 3u);
    check_steps(trace);  // of the old file, which is still mapped
  }
}

}  // namespace
}  // namespace tidemark
