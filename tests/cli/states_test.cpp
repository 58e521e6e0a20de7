#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class States : public CommandTest {};

TEST_F(States, OfLlama7bAreTheWellKnownOnes) {
  const json j = json_of({"states", "--model", "llama2-7b", "--devices", "1,8"});
  const json& model = j["models"].at(0);
  EXPECT_EQ(model["parameters"], 6'738'415'616);
  EXPECT_EQ(model["each_device"].at(0)["total_bytes"], 107'814'649'856);
  EXPECT_EQ(model["each_device"].at(7)["devices"], 8);
  EXPECT_EQ(model["each_device"].at(7)["zero_stage"], 3);
  EXPECT_EQ(model["each_device"].at(7)["total_bytes"], 107'814'649'856 / 8);
  EXPECT_THAT(run({"states", "--model", "llama2-7b"}).out, HasSubstr("107,814,649,856"));
}

// What a run holds is what the table says: with several micro-batches every gradient lives all along.
TEST_F(States, AreWhatARunHolds) {
  for (const char* dtype : {"f32", "bf16"}) {
    const json table = json_of({"states", "--model", "llama-tiny", "--dtype", dtype, "--devices", "1"});
    json_of({"profile", "--model", "llama-tiny", "--dtype", dtype, "--batch", "2", "--length", "32",
             "--micro-batches", "2", "--steps", "1", "--out", path("run.tide"), "--json"});
    const json& states = table["models"].at(0)["each_device"].at(0);
    const json peak = json_of({"report", path("run.tide")})["categories"];
    EXPECT_EQ(peak["parameter"], states["parameter_bytes"]);
    EXPECT_EQ(peak["gradient"], states["gradient_bytes"]);
    EXPECT_EQ(peak["optimizer_state"], states["optimizer_bytes"]);
  }
}

TEST_F(States, OfAllPresetsFitATerminal) {
  const Output output = run({"states"});
  EXPECT_EQ(output.status, 0) << output.error;
  std::istringstream lines(output.out);
  for (std::string text; std::getline(lines, text);) EXPECT_LE(text.size(), 80u) << text;
  EXPECT_THAT(output.out, HasSubstr("llama2-70b"));
  EXPECT_THAT(error_of({"states", "--devices", "0"}, 2), HasSubstr("--devices"));
}

}  // namespace
}  // namespace tidemark
