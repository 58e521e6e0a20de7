// `profile -- COMMAND` with programs that leave a trace as a recorded one does, however they end.
#include <csignal>
#include <filesystem>
#include <thread>

#include "profiler/cupti/injection.h"
#include "tests/cli/command.h"

namespace tidemark {
namespace {

using ::testing::HasSubstr;

class ProfileCommand : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    EXPECT_EQ(run({"profile", "--model", "llama-tiny", "--length", "8", "--steps", "1", "--out", "made.tide"})
                  .status,
              0);
  }
  /// A shell that runs `script`, in which $RECORD leaves a trace.
  Arguments profile(const std::string& script, const std::string& out = "run.tide") const {
    const std::string record =
        "RECORD='cp " + path("made.tide") + " '$" + std::string(kInjectionFolder) + "/1-0.tide; ";
    return {"profile", "--out", out, "--", "sh", "-c", record + script};
  }
};

TEST_F(ProfileCommand, ATraceIsTakenHoweverTheCommandEnds) {
  const Output output = run(profile("$RECORD; kill -KILL $$"));
  EXPECT_EQ(output.status, 128 + SIGKILL);
  EXPECT_THAT(output.out, HasSubstr("at the peak, by category"));
  EXPECT_EQ(bytes_of(path("run.tide")), bytes_of(path("made.tide")));
}

/// What would end `profile` is for the command; Ctrl-C reaches that without it.
TEST_F(ProfileCommand, SignalsAreForTheCommand) {
  const pid_t child =
      start(profile("trap '$RECORD; exit 5' TERM; touch ready; while :; do sleep 0.01; done"));
  while (!std::filesystem::exists(path("ready"))) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ::kill(child, SIGINT);
  ::kill(child, SIGTERM);
  EXPECT_EQ(finish(child).status, 5);
  EXPECT_EQ(bytes_of(path("run.tide")), bytes_of(path("made.tide")));
}

TEST_F(ProfileCommand, SaysWhyThereIsNoTrace) {
  EXPECT_THAT(error_of({"profile", "--out", "run.tide", "--", "./absent"}, 2),
              HasSubstr("./absent: No such file"));
  EXPECT_THAT(error_of({"profile", "--out", "run.tide", "--", "./made.tide"}, 2),
              HasSubstr("Permission denied"));
  EXPECT_THAT(error_of(profile("exit 0"), 3), HasSubstr("(it ended with status 0)"));
  // What runs it sees that it failed, and how.
  EXPECT_THAT(error_of(profile("exit 127"), 127), HasSubstr("(it ended with status 127)"));
  EXPECT_THAT(error_of(profile("kill -SEGV $$"), 128 + SIGSEGV), HasSubstr("(signal 11 ended it"));
  EXPECT_THAT(error_of(profile("$RECORD", folder_.string()), 3), HasSubstr("name a file"));
  // The place is gone by the end: the recording stays.
  std::filesystem::create_directory(path("place"));
  EXPECT_THAT(error_of(profile("$RECORD; mkdir " + path("place/run.tide"), "place/run.tide"), 3),
              HasSubstr("what was recorded is in "));
}

TEST_F(ProfileCommand, AModelOrACommand) {
  EXPECT_THAT(error_of({"profile", "--model", "llama-tiny", "--out", "run.tide", "--", "true"}, 2),
              HasSubstr("--model excludes COMMAND"));
  EXPECT_THAT(error_of({"profile", "--model", "llama-tiny", "--memory-only", "--out", "run.tide"}, 2),
              HasSubstr("--memory-only requires COMMAND"));
}

}  // namespace
}  // namespace tidemark
