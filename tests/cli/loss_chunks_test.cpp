// `tidemark plan --tune-loss-chunks`: how many tokens the loss takes at a time.
#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class LossChunks : public CommandTest {
 protected:
  const Arguments tiny_ = {"--model", "llama-tiny", "--batch", "2", "--length", "256", "--threads", "2"};
};

TEST_F(LossChunks, GrowWhereADevicesMemoryIsSlow) {
  const Arguments plan = {"plan",      "--model", "llama2-7b", "--length", "4096",       "--dtype", "bf16",
                          "--backend", "cuda",    "--device",  "h100",     "--strategy", "keep-all"};
  const json usual = json_of(plan), tuned = json_of(with(plan, {"--tune-loss-chunks"}));
  const int64_t rows = tuned["loss_chunk_rows"];
  EXPECT_GT(rows, 128);
  EXPECT_LT(rows, 4096) << "the products were bound by arithmetic long before";
  EXPECT_LT(tuned["predicted_seconds"], usual["predicted_seconds"]);
  EXPECT_EQ(json_of(with(plan, {"--loss-chunk-rows", std::to_string(rows)}))["predicted_seconds"],
            tuned["predicted_seconds"]);
}

TEST_F(LossChunks, ShrinkWhereNothingElseFits) {
  const Arguments plan = with({"plan", "--strategy", "keep-all"}, tiny_);
  const int64_t budget = json_of(plan)["predicted_peak_bytes"].get<int64_t>() - 4096;
  const Arguments within = with(plan, {"--budget", std::to_string(budget)});
  EXPECT_EQ(run(within).status, 1);
  const json tuned = json_of(with(within, {"--tune-loss-chunks", "--out", path("plan.json")}));
  EXPECT_LT(tuned["loss_chunk_rows"], 512) << "all tokens at a time is usual for so few words";
  EXPECT_LE(tuned["predicted_peak_bytes"], budget);

  const Arguments train =
      with({"train", "--data", shakespeare(), "--steps", "2", "--plan", path("plan.json")}, tiny_);
  EXPECT_THAT(error_of(train, 2), HasSubstr("chunks of the loss"));
  const std::string rows = std::to_string(tuned["loss_chunk_rows"].get<int64_t>());
  EXPECT_EQ(json_of(with(train, {"--loss-chunk-rows", rows}))["measured_peak_bytes"],
            tuned["predicted_peak_bytes"]);
}

TEST_F(LossChunks, AreOfALanguageModel) {
  EXPECT_THAT(error_of({"plan", "--model", "fvsbn-tiny", "--tune-loss-chunks"}, 2), HasSubstr("no chunks"));
  EXPECT_THAT(error_of({"plan", "--model", "fvsbn-tiny", "--loss-chunk-rows", "8"}, 2),
              HasSubstr("--loss-chunk-rows"));
}

}  // namespace
}  // namespace tidemark
