#include <signal.h>
#include <unistd.h>

#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Train : public CommandTest {};

TEST_F(Train, SaysWhatScriptsRelyOn) {
  const json j = json_of(train({"--steps", "4", "--trace", path("run.tide")}));
  ASSERT_EQ(j["losses"].size(), 4u);
  EXPECT_LT(j["losses"][3].get<double>(), 6.0);
  EXPECT_EQ(j["predicted_peak_bytes"], j["measured_peak_bytes"]);
  EXPECT_GT(j["step_seconds_median"].get<double>(), 0);
  EXPECT_NEAR(j["tokens_per_second"].get<double>() * j["step_seconds_median"].get<double>(), 64, 1e-6);
  EXPECT_EQ(j["interrupted"], false);
  const json report = json_of({"report", path("run.tide")});
  EXPECT_EQ(report["training_steps"], 4);
  EXPECT_EQ(report["metadata"]["model"], "llama-tiny");
  EXPECT_EQ(report["arena_resident_bytes"], j["measured_peak_bytes"]);
}

TEST_F(Train, APlanHoldsAndChangesNoNumber) {
  for (const char* preset : {"llama-tiny", "lstm-tiny"}) {
    const json whole = json_of(train({"--steps", "3", "--micro-batches", "2"}, preset));
    const json plan = json_of({"plan", "--model", preset, "--batch", "2", "--length", "32", "--threads", "2",
                               "--micro-batches", "2", "--budget", "97%", "--out", path("plan.json")});
    const json planned =
        json_of(train({"--steps", "3", "--micro-batches", "2", "--plan", path("plan.json")}, preset));
    EXPECT_EQ(planned["losses"], whole["losses"]);
    EXPECT_EQ(planned["predicted_peak_bytes"], plan["predicted_peak_bytes"]);
    EXPECT_EQ(planned["measured_peak_bytes"], plan["predicted_peak_bytes"]);
    EXPECT_LT(planned["measured_peak_bytes"], whole["measured_peak_bytes"]);
  }
}

TEST_F(Train, AnOffloadHoldsAndChangesNoNumber) {
  const json whole = json_of(train({"--steps", "3"}));
  const json planned =
      json_of(train({"--steps", "3", "--budget", "80%", "--offload", "all", "--strategy", "keep-all"}));
  EXPECT_EQ(planned["losses"], whole["losses"]);
  EXPECT_EQ(planned["measured_peak_bytes"], planned["predicted_peak_bytes"]);
  EXPECT_LE(planned["measured_peak_bytes"].get<double>(), 0.8 * whole["measured_peak_bytes"].get<double>());
  const Output text =
      run({"plan", "--model", "llama-tiny", "--budget", "80%", "--offload", "all", "--strategy", "keep-all"});
  EXPECT_THAT(text.out, HasSubstr("of host memory, which is the same RAM"));
}

TEST_F(Train, SavesOnATermination) {
  for (int signal : {SIGINT, SIGTERM}) {
    const std::string saved = path("saved" + std::to_string(signal));
    const pid_t child = start(train({"--steps", "100000000", "--save", saved, "--json"}));
    while (bytes_of(path("stderr")).empty()) ::usleep(1000);  // its first step is done
    ::kill(child, signal);
    const Output output = finish(child);
    EXPECT_EQ(output.status, 0) << output.error;
    const json j = output.json();
    EXPECT_EQ(j["interrupted"], true);
    const auto steps = static_cast<int64_t>(j["losses"].size());
    EXPECT_GE(steps, 1);
    const json further = json_of(train({"--steps", std::to_string(steps + 1), "--resume", saved}));
    EXPECT_EQ(further["first_step"], steps);
    EXPECT_EQ(further["losses"].size(), static_cast<size_t>(steps + 1));
  }
}

TEST_F(Train, AFullDiskIsOneClearError) {
  EXPECT_THAT(error_of(train({"--steps", "2", "--trace", "/dev/full"}), 3),
              HasSubstr("cannot write the trace: /dev/full: No space left on device"));
  EXPECT_THAT(error_of(train({"--steps", "2", "--json"}), 3, {.out = "/dev/full"}),
              HasSubstr("standard output"));
  EXPECT_THAT(error_of({"plan", "--model", "llama-tiny", "--out", "/dev/full"}, 3), HasSubstr("/dev/full"));
  EXPECT_THAT(error_of(train({"--steps", "2", "--save", write("file", "")}), 3), HasSubstr("file"));
}

TEST_F(Train, ProfileReportAndPlanWorkTogether) {
  const Arguments model = {"--model", "gru-tiny", "--batch", "2", "--length", "32"};
  Arguments line = {"profile", "--steps", "3", "--out", path("run.tide")};
  line.insert(line.end(), model.begin(), model.end());
  const Output profile = run(line);
  EXPECT_EQ(profile.status, 0) << profile.error;
  for (const char* part : {"at the peak, by category", "by module", "the 10 largest values", "time in ops",
                           "parameter", "gru_layer_grad", "recomputed"})
    EXPECT_THAT(profile.out, HasSubstr(part));
  EXPECT_EQ(run({"report", path("run.tide")}).out, profile.out);
  line = {"plan", "--profile", path("run.tide"), "--budget", "99%"};
  line.insert(line.end(), model.begin(), model.end());
  EXPECT_THAT(run(line).out, HasSubstr("profile times"));
}

TEST_F(Train, ATraceThatIsCutIsReportedAsFarAsItGoes) {
  json_of(train({"--steps", "3", "--trace", path("run.tide")}));
  const std::string whole = bytes_of(path("run.tide"));
  const std::string cut = write("cut.tide", whole.substr(0, whole.size() - 10));
  EXPECT_THAT(run({"report", cut}).out, HasSubstr("cut short at byte"));
  EXPECT_EQ(json_of({"report", cut})["training_steps"], 2);
  EXPECT_THAT(error_of({"report", write("cut.tide", whole.substr(0, 300))}, 2),
              HasSubstr("before its tables"));
  EXPECT_THAT(error_of({"report", write("cut.tide", "")}, 2), HasSubstr("not a .tide trace"));
  EXPECT_THAT(error_of({"report", shakespeare()}, 2), HasSubstr("not a .tide trace"));
  EXPECT_THAT(error_of({"plan", "--model", "llama-tiny", "--profile", shakespeare()}, 2),
              HasSubstr("not a .tide trace"));
}

}  // namespace
}  // namespace tidemark
