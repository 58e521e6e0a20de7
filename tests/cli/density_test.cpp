// Models of images from training to pictures, on the repository's digits.
#include <cmath>
#include <filesystem>

#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class DensityCommands : public CommandTest {
 protected:
  static std::string digits() { return std::string(TIDEMARK_SOURCE_DIR) + "/examples/data/digits"; }
  static Arguments train(const std::string& preset, int steps, const Arguments& more,
                         const std::string& rate = "1e-2") {
    return with({"train", "--model", preset, "--data", digits(), "--batch", "50", "--threads", "2",
                 "--weight-decay", "0", "--learning-rate", rate, "--steps", std::to_string(steps)},
                more);
  }
};

TEST_F(DensityCommands, TrainEvaluateAndSample) {
  for (const std::string preset : {"fvsbn-tiny", "nade-tiny", "made-tiny"}) {
    SCOPED_TRACE(preset);
    const json run = json_of(
        train(preset, 60, {"--validate", digits(), "--validate-every", "20", "--save", path(preset)}));
    EXPECT_EQ(run["predicted_peak_bytes"], run["measured_peak_bytes"]);
    ASSERT_EQ(run["validation"].size(), 3u);
    EXPECT_EQ(json::parse(bytes_of(path(preset + "/validation.json"))), run["validation"]);

    const Arguments model = {"--model", preset, "--weights", path(preset + "/best")};
    const auto with = [&](const std::string& command, Arguments more) {
      more.insert(more.begin(), command);
      more.insert(more.end(), model.begin(), model.end());
      return more;
    };
    const json valid = json_of(with("evaluate", {"--data", digits(), "--part", "valid"}));
    const json test = json_of(with("evaluate", {"--data", digits()}));
    EXPECT_EQ(valid["images"], 250);
    EXPECT_EQ(valid["predicted_peak_bytes"], valid["measured_peak_bytes"]);
    EXPECT_LT(test["nll"], 30);  // 64 fair coins have 44.4
    EXPECT_LE(test["nll"], test["single_nll"]);
    if (preset != "made-tiny") {  // whose validation takes turns with its masks
      EXPECT_NEAR(valid["nll"].get<double>(), run["best_validation"]["loss"].get<double>(), 1e-4);
    }

    for (const char* picture : {"a.png", "b.png"})
      EXPECT_EQ(this->run(with("sample", {"--batch", "6", "--out", picture})).status, 0);
    EXPECT_EQ(bytes_of(path("a.png")), bytes_of(path("b.png")));
    EXPECT_EQ(bytes_of(path("a.png")).substr(1, 3), "PNG");
  }
}

TEST_F(DensityCommands, PatienceEndsTheRun) {
  const json run = json_of(
      train("fvsbn-tiny", 5000, {"--validate", digits(), "--validate-every", "5", "--patience", "3"}, "3"));
  const json& validation = run["validation"];
  EXPECT_LT(run["losses"].size(), 5000u);
  const int64_t best = run["best_validation"]["step"];
  EXPECT_EQ(validation.back()["step"], best + 15);
}

TEST_F(DensityCommands, ResumedRunsAreUnbrokenOnes) {
  const auto run = [&](int steps, Arguments more) {
    const Arguments validate = {"--validate", digits(), "--validate-every", "10"};
    more.insert(more.end(), validate.begin(), validate.end());
    return json_of(train("made-tiny", steps, more));
  };
  const json whole = run(60, {"--save", path("whole")});
  run(30, {"--save", path("parts")});
  const json rest = run(60, {"--save", path("parts"), "--resume", path("parts")});
  EXPECT_EQ(rest["losses"], whole["losses"]);
  EXPECT_EQ(rest["validation"], whole["validation"]);
  EXPECT_EQ(bytes_of(path("parts/best/model.safetensors")), bytes_of(path("whole/best/model.safetensors")));
}

TEST_F(DensityCommands, ADamagedRecordOfValidationsIsNamed) {
  const Arguments save = {"--validate", digits(), "--validate-every", "2", "--save", path("run")};
  json_of(train("fvsbn-tiny", 2, save));
  Arguments resume = save;
  resume.insert(resume.end(), {"--resume", path("run")});
  for (const char* damaged : {"{", "[1]", R"([{"step": "x", "loss": 1}])", R"([{"step": 1}])"}) {
    write("run/validation.json", damaged);
    EXPECT_THAT(error_of(train("fvsbn-tiny", 4, resume), 2), HasSubstr("run/validation.json")) << damaged;
  }
}

TEST_F(DensityCommands, EvaluateTakesModelsOfTokens) {
  const std::string text = shakespeare();
  json_of({"train", "--model", "llama-tiny", "--data", text, "--batch", "2", "--length", "32", "--steps", "3",
           "--save", path("llama")});
  const std::string step = path("llama/step-00000003");
  const json result = json_of({"evaluate", "--model", "llama-tiny", "--weights", step, "--data", text,
                               "--batch", "4", "--length", "32", "--limit", "5"});
  EXPECT_EQ(result["tokens"], 5 * 4 * 32);
  EXPECT_NEAR(result["perplexity"], std::exp(result["loss"].get<double>()), 1e-9);
  EXPECT_NEAR(result["loss"], std::log(256.0), 1);
}

TEST_F(DensityCommands, WhatCannotBeNamesTheReason) {
  const std::string weights = parity("fvsbn.safetensors");
  EXPECT_THAT(error_of({"train", "--model", "nade-mnist", "--data", digits(), "--steps", "1"}, 2),
              HasSubstr("8 x 8 pixels, the model takes 784"));
  EXPECT_THAT(error_of({"sample", "--model", "llama-tiny", "--weights", weights, "--out", "x.png"}, 2),
              HasSubstr("model.embed_tokens.weight"));
  EXPECT_THAT(error_of({"evaluate", "--model", "fvsbn-tiny", "--weights", weights, "--data", digits()}, 2),
              HasSubstr("weight"));
  EXPECT_THAT(error_of({"train", "--model", "fvsbn-tiny", "--data", path("none"), "--steps", "1"}, 2),
              HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace tidemark
