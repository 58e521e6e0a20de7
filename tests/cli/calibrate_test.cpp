#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Calibrate : public CommandTest {};

TEST_F(Calibrate, DescribesTheDeviceThatAPlanTakes) {
  const json device = json_of({"calibrate", "--model", "llama-tiny", "--threads", "1", "--steps", "2",
                               "--out", path("device.json"), "--json"});
  EXPECT_EQ(device["threads"], 1);
  EXPECT_TRUE(device["kinds"].contains("attention/f32+causal"));
  const Arguments plan = {"plan",     "--model", "llama-tiny", "--batch",          "2",
                          "--length", "64",      "--device",   path("device.json")};
  Arguments with_threads = plan;
  with_threads.insert(with_threads.end(), {"--threads", "1"});
  EXPECT_THAT(run(with_threads).out, HasSubstr("calibrated times"));
  with_threads.back() = "2";
  EXPECT_THAT(error_of(with_threads, 2), HasSubstr("--threads 1"));
}

TEST_F(Calibrate, PlansTakeTheTimesOfANamedDevice) {
  const auto seconds = [&](const char* device) {
    return json_of({"plan", "--model", "llama2-7b", "--dtype", "bf16", "--length", "2048", "--budget",
                    "120GiB", "--strategy", "keep-all", "--device", device, "--json"})["predicted_seconds"]
        .get<double>();
  };
  EXPECT_LT(seconds("h100"), seconds("a100"));
  EXPECT_THAT(error_of({"plan", "--model", "llama-tiny", "--device", "abacus"}, 2), HasSubstr("a100"));
}

}  // namespace
}  // namespace tidemark
