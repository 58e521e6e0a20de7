// A run that was stopped, by its end, a kill or a full disk, goes on as if it had not been.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class Resume : public CommandTest {
 protected:
  /// A checkpoint's tensors, byte for byte.
  std::string tensors(const std::string& checkpoint) const {
    return bytes_of(path(checkpoint + "/model.safetensors")) +
           bytes_of(path(checkpoint + "/optimizer.safetensors"));
  }
};

TEST_F(Resume, GoesOnBitByBit) {
  const std::vector<std::pair<std::string, Arguments>> variants = {
      {"llama-tiny", {}},
      {"llama-tiny", {"--dtype", "bf16", "--micro-batches", "2"}},
      {"lstm-tiny", {"--warmup-steps", "2", "--schedule-steps", "6"}},
      {"gru-tiny", {"--packing", "windows", "--seed", "9", "--budget", "99%"}}};
  for (const auto& [preset, more] : variants) {
    const auto line = [&, &preset = preset, &more = more](const Arguments& own) {
      return train(with(own, more), preset);
    };
    const json whole = json_of(line({"--steps", "6", "--save", "whole"}));
    const json half = json_of(line({"--steps", "3", "--save", "parts"}));
    const json rest = json_of(line({"--steps", "6", "--save", "parts", "--resume", "parts"}));
    EXPECT_EQ(rest["first_step"], 3);
    EXPECT_EQ(rest["losses"], whole["losses"]);
    EXPECT_EQ(json(std::vector<json>(rest["losses"].begin(), rest["losses"].begin() + 3)), half["losses"]);
    EXPECT_TRUE(tensors("whole/step-00000006") == tensors("parts/step-00000006"));
    EXPECT_FALSE(tensors("parts/step-00000003") == tensors("parts/step-00000006"));
    fs::remove_all(path("whole"));
    fs::remove_all(path("parts"));
  }
}

TEST_F(Resume, RefusesAnotherRun) {
  json_of(train({"--steps", "2", "--save", "saved"}));
  EXPECT_THAT(error_of(train({"--steps", "4", "--resume", "saved", "--learning-rate", "0.5"}), 2),
              AllOf(HasSubstr("learning_rate"), HasSubstr("it was 0.001, in this run it is 0.5")));
  EXPECT_THAT(error_of(train({"--steps", "4", "--resume", "saved", "--seed", "3"}), 2), HasSubstr("seed"));
  EXPECT_THAT(error_of(train({"--steps", "4", "--resume", "saved"}, "gru-tiny"), 2),
              HasSubstr("config.json"));
  EXPECT_THAT(error_of(train({"--steps", "2", "--resume", "saved"}), 2), HasSubstr("2 steps already"));
  const std::string other = write("other.txt", bytes_of(shakespeare()).replace(1000, 1, "#"));
  Arguments line = train({"--steps", "4", "--resume", "saved"});
  std::ranges::replace(line, shakespeare(), other);
  EXPECT_THAT(error_of(line, 2), AllOf(HasSubstr("training_state.json, data"), HasSubstr("crc32")));
}

TEST_F(Resume, AFullDiskLeavesTheLastCheckpoint) {
  json_of(train({"--steps", "2", "--save", "saved"}));
  // A limit on file sizes stands in for the disk.
  EXPECT_THAT(
      error_of(train({"--steps", "4", "--save", "saved", "--resume", "saved"}), 3, {.file_limit = 100'000}),
      HasSubstr("File too large"));
  EXPECT_EQ(json_of(train({"--steps", "4", "--resume", "saved"}))["first_step"], 2);
  EXPECT_FALSE(fs::exists(path("saved/step-00000004")));
}

TEST_F(Resume, ADiskThatATraceFillsCostsTheTraceOnly) {
  const std::string config = write("config.json", R"({"model_type": "llama", "vocab_size": 256,
      "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
      "max_position_embeddings": 16, "tie_word_embeddings": true})");
  const auto line = [&](const Arguments& more) {
    return with({"train", "--config", config, "--data", shakespeare(), "--batch", "1", "--length", "16",
                 "--micro-batches", "16", "--steps", "60", "--threads", "2"},
                more);
  };
  json_of(line({"--save", "whole"}));
  EXPECT_THAT(error_of(line({"--save", "traced", "--trace", "run.tide"}), 3, {.file_limit = 60'000}),
              HasSubstr("cannot write the trace: run.tide: File too large"));
  EXPECT_TRUE(tensors("whole/step-00000060") == tensors("traced/step-00000060"));
  EXPECT_GT(json_of({"report", "run.tide"})["training_steps"], 2);
}

TEST_F(Resume, AKillInMidSaveLeavesTheLastCheckpoint) {
  const json whole = json_of(train({"--steps", "12"}));
  std::mt19937 random(7);
  int resumed = 0;
  for (int round = 0; round < 12; ++round) {
    fs::remove_all(path("saved"));
    const pid_t child = start(train({"--steps", "100000", "--save", "saved", "--save-every", "1"}));
    while (!fs::exists(path("saved/checkpoint.json"))) ::usleep(500);
    ::usleep(static_cast<useconds_t>(random() % 30000));
    ::kill(child, SIGKILL);
    EXPECT_EQ(finish(child).status, 128 + SIGKILL);
    const json state = json::parse(bytes_of(path("saved/checkpoint.json")));
    const std::string name = state["checkpoints"].back()["name"];
    const auto done = std::stoll(name.substr(name.find('-') + 1));
    if (done >= 12) continue;
    const json rest = json_of(train({"--steps", "12", "--resume", "saved"}));
    EXPECT_EQ(rest["first_step"], done);
    EXPECT_EQ(rest["losses"], whole["losses"]);
    ++resumed;
  }
  EXPECT_GT(resumed, 0);
}

TEST_F(Resume, ADamagedCheckpointNamesTheOneBefore) {
  json_of(train({"--steps", "3", "--save", "saved", "--save-every", "1"}));
  const std::string file = path("saved/step-00000003/model.safetensors");
  std::string bytes = bytes_of(file);
  bytes[bytes.size() / 2] ^= 1;
  write("saved/step-00000003/model.safetensors", bytes);
  EXPECT_THAT(error_of(train({"--steps", "4", "--resume", "saved"}), 2),
              AllOf(HasSubstr("checksum"), HasSubstr("resume from saved/step-00000002 instead")));
  EXPECT_EQ(json_of(train({"--steps", "4", "--resume", "saved/step-00000002"}))["first_step"], 2);
}

}  // namespace
}  // namespace tidemark
