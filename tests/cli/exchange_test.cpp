// Recordings of other tools in, traces for other tools out.
#include <filesystem>

#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Exchange : public CommandTest {
 protected:
  static std::string recording(const std::string& name) {
    return std::string(TIDEMARK_TEST_DATA) + "/imports/" + name;
  }
};

TEST_F(Exchange, ASnapshotIsImportedReportedAndExported) {
  const Output imported = run({"import", recording("snapshot.p4.pickle"), "--out", path("run.tide")});
  EXPECT_EQ(imported.status, 0) << imported.error;
  EXPECT_THAT(imported.out, HasSubstr("PyTorch memory snapshot"));
  EXPECT_THAT(imported.out, HasSubstr("cuda:1"));
  const json report = json_of({"report", path("run.tide")});
  EXPECT_EQ(report["peak_bytes"], 28672);
  EXPECT_EQ(report["metadata"]["open_at_start"], 2);

  EXPECT_EQ(run({"export", path("run.tide"), "--out", path("run.json")}).status, 0);
  int64_t most = 0;
  const json document = json::parse(bytes_of(path("run.json")));
  for (const json& e : document["traceEvents"]) {
    if (e["ph"] != "C") continue;
    int64_t sum = 0;
    for (const auto& [category, bytes] : e["args"].items()) sum += bytes.get<int64_t>();
    most = std::max(most, sum);
  }
  EXPECT_EQ(most, report["peak_bytes"]);
}

TEST_F(Exchange, AKinetoTraceIsImportedAndReported) {
  EXPECT_EQ(run({"import", recording("kineto.json.gz"), "--out", path("run.tide")}).status, 0);
  const json report = json_of({"report", path("run.tide")});
  EXPECT_GT(report["peak_bytes"], 0);
  EXPECT_GT(report["categories"]["activation"], 0);
}

#ifdef TIDEMARK_HAS_VIEWER
TEST_F(Exchange, ATraceIsViewed) {
  EXPECT_EQ(run({"import", recording("kineto.json.gz"), "--out", path("run.tide")}).status, 0);
  const Output output = run({"view", path("run.tide"), "--screenshot", path("run.png")});
  EXPECT_EQ(output.status, 0) << output.error;
  EXPECT_THAT(bytes_of(path("run.png")), StartsWith("\x89PNG"));
  EXPECT_THAT(error_of({"view", path("none.tide"), "--screenshot", path("none.png")}, 2),
              HasSubstr("none.tide: No such file"));
}
#endif

TEST_F(Exchange, ACommandWithoutItsViewerSaysHowToBuildIt) {
  CommandOptions alone;
  alone.command = path("tidemark");
  std::filesystem::copy_file(TIDEMARK_COMMAND, alone.command);
  EXPECT_THAT(error_of({"view", "run.tide"}, 2, alone), HasSubstr("install qt6-base-dev"));
  write("libtidemark_viewer.so", "no library");
  EXPECT_THAT(error_of({"view", "run.tide"}, 3, alone), HasSubstr("libtidemark_viewer.so: "));
}

TEST_F(Exchange, BadInput) {
  EXPECT_THAT(error_of({"import", path("none"), "--out", path("x.tide")}, 2),
              HasSubstr("none: No such file"));
  EXPECT_THAT(error_of({"import", write("x", "hello"), "--out", path("x.tide")}, 2), HasSubstr("JSON"));
  EXPECT_THAT(
      error_of({"import", recording("snapshot.p4.pickle"), "--out", path("x.tide"), "--device", "cpu"}, 2),
      HasSubstr("--device cpu"));
  EXPECT_THAT(error_of({"export", path("x"), "--out", path("x.json")}, 2), HasSubstr("not a .tide trace"));
  EXPECT_THAT(error_of({"import", recording("snapshot.p4.pickle"), "--out", path("no/x.tide")}, 3),
              HasSubstr("no/x.tide"));
  EXPECT_THAT(error_of({"import", write("empty", ""), "--out", path("x.tide")}, 2), HasSubstr("it is empty"));
}

TEST_F(Exchange, NoInputIsReplaced) {
  EXPECT_EQ(run({"import", recording("snapshot.p4.pickle"), "--out", path("run.tide")}).status, 0);
  const std::string trace = bytes_of(path("run.tide"));
  EXPECT_THAT(error_of({"import", path("run.tide"), "--out", path("x.tide")}, 2),
              HasSubstr("a trace already"));
  EXPECT_THAT(error_of({"export", path("run.tide"), "--out", "run.tide"}, 2), HasSubstr("it is also read"));
  EXPECT_THAT(error_of({"import", path("run.tide"), "--out", "run.tide"}, 2), HasSubstr("it is also read"));
  EXPECT_THAT(error_of({"plan", "--model", "llama-tiny", "--profile", "run.tide", "--out", "run.tide"}, 2),
              HasSubstr("it is also read"));
  EXPECT_THAT(error_of(train({"--steps", "1", "--profile", "run.tide", "--trace", "run.tide"}), 2),
              HasSubstr("it is also read"));
  EXPECT_THAT(error_of({"view", "run.tide", "--screenshot", "run.tide"}, 2), HasSubstr("it is also read"));
  EXPECT_EQ(bytes_of(path("run.tide")), trace);
}

}  // namespace
}  // namespace tidemark
