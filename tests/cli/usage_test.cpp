// What a user types wrong or feeds in: one line that says what, where, why, and the right exit status.
#include <sstream>

#include "executor/runtime/backend.h"
#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Usage : public CommandTest {
 protected:
  std::string config(const std::function<void(json&)>& change) const {
    json j = {{"model_type", "llama"},   {"vocab_size", 256},      {"hidden_size", 32},
              {"intermediate_size", 64}, {"num_hidden_layers", 1}, {"num_attention_heads", 4},
              {"num_key_value_heads", 2}};
    change(j);
    return write("config.json", j.dump());
  }
};

TEST_F(Usage, BadCommandLines) {
  for (const Arguments& line :
       std::vector<Arguments>{{},
                              {"fly"},
                              {"train"},
                              {"plan", "--model"},
                              {"plan", "--model", "llama-tiny", "--batch", "many"},
                              {"plan", "--model", "llama-tiny", "--config", "config.json"},
                              {"report"},
                              {"train", "--model", "llama-tiny", "--data", "x", "--steps", "0"},
                              {"train", "--model", "llama-tiny", "--data", "x", "--steps", "-3"},
                              {"models", "--yes"}})
    EXPECT_THAT(error_of(line, 2), HasSubstr("bad usage: command line"));
  EXPECT_THAT(error_of({"plan"}, 2), HasSubstr("no model was named"));
  EXPECT_THAT(error_of({"plan", "--model", "llama-giant"}, 2), HasSubstr("llama-giant"));
  EXPECT_THAT(error_of({"plan", "--model", "llama-tiny", "--batch", "0"}, 2), HasSubstr("--batch"));
  EXPECT_THAT(error_of({"plan", "--model", "llama-tiny", "--threads", "-1"}, 2), HasSubstr("--threads"));
  EXPECT_THAT(error_of({"plan", "--model", "llama-tiny", "--dtype", "f8"}, 2), HasSubstr("--dtype"));
  EXPECT_THAT(error_of({"plan", "--model", "llama-tiny", "--strategy", "magic"}, 2), HasSubstr("magic"));
}

TEST_F(Usage, BadNumbers) {
  for (const char* steps : {"0", "-1", "many", ""})
    EXPECT_THAT(error_of(train({"--steps", steps}), 2),
                HasSubstr("--steps: '" + std::string(steps) + "' is not a number above 0; see"));
  for (const char* option : {"--clip-norm", "--weight-decay", "--warmup-steps", "--time-limit"})
    for (const char* value : {"-1", "nan", "inf"})
      EXPECT_THAT(error_of(train({"--steps", "1", option, value}), 2),
                  HasSubstr(option + std::string(": '") + value + "' is not a number from 0 on; see"));
  EXPECT_THAT(error_of(train({"--steps", "1", "--decay", "linear"}), 2),
              HasSubstr("--decay: linear not in {cosine,inverse-square-root}"));
  EXPECT_EQ(run(train({"--steps", "1", "--decay", "Inverse-Square-Root", "--clip-norm", "0"})).status, 0);
}

TEST_F(Usage, HelpFitsATerminal) {
  for (const char* command : {"", "models", "states", "profile", "report", "export", "import", "plan",
                              "train", "verify", "graph", "doctor"}) {
    Arguments line = {"--help"};
    if (*command) line.insert(line.begin(), command);
    const Output output = run(line);
    EXPECT_EQ(output.status, 0);
    std::istringstream lines(output.out);
    for (std::string text; std::getline(lines, text);) EXPECT_LE(text.size(), 80u) << text;
  }
  EXPECT_EQ(run({"--version"}).status, 0);
}

/// What the loader maps before main: CUDA's and Qt's libraries would take more memory than a small training.
TEST_F(Usage, StartsWithoutWhatFewCommandsNeed) {
  ASSERT_EQ(setenv("LD_TRACE_LOADED_OBJECTS", "1", 1), 0);
  const std::string mapped = run({}).out;
  unsetenv("LD_TRACE_LOADED_OBJECTS");
  EXPECT_THAT(mapped, AllOf(HasSubstr("libc.so"), Not(HasSubstr("libcu")), Not(HasSubstr("Qt"))));
}

TEST_F(Usage, BadBudgets) {
  const auto refused = [&](const std::string& budget) {
    return error_of({"plan", "--model", "llama-tiny", "--budget", budget}, 2);
  };
  EXPECT_THAT(refused("0"), HasSubstr("a budget of 0 bytes holds no model"));
  EXPECT_THAT(refused("lots"), HasSubstr("no number"));
  EXPECT_THAT(refused("3 XB"), HasSubstr("unknown unit"));
  EXPECT_THAT(refused("-1MiB"), HasSubstr("negative"));
  EXPECT_THAT(refused("0%"), HasSubstr("not a share"));
  EXPECT_THAT(refused("half%"), HasSubstr("not a share"));
}

TEST_F(Usage, AnHonestNo) {
  const Output no = run({"plan", "--model", "llama-tiny", "--budget", "1MiB", "--json"});
  EXPECT_EQ(no.status, 1);
  const json j = no.json();
  EXPECT_EQ(j["fits"], false);
  EXPECT_EQ(j["missing_bytes"].get<int64_t>() + (1 << 20), j["smallest_feasible_bytes"].get<int64_t>());
  // What it says would fit does, and a byte less does not.
  const int64_t smallest = j["smallest_feasible_bytes"];
  EXPECT_EQ(run({"plan", "--model", "llama-tiny", "--budget", std::to_string(smallest)}).status, 0);
  EXPECT_EQ(run({"plan", "--model", "llama-tiny", "--budget", std::to_string(smallest - 1)}).status, 1);
  EXPECT_THAT(error_of(train({"--steps", "1", "--budget", "1MiB"}), 1),
              AllOf(HasSubstr("bytes are missing"), HasSubstr("the smallest that fits is")));
}

TEST_F(Usage, BadConfigs) {
  const auto refused = [&](const std::function<void(json&)>& change) {
    const std::string message = error_of({"plan", "--config", config(change)}, 2);
    EXPECT_THAT(message, HasSubstr("config.json"));
    return message;
  };
  EXPECT_EQ(run({"plan", "--config", config([](json&) {})}).status, 0);
  EXPECT_THAT(refused([](json& j) { j.erase("hidden_size"); }), HasSubstr("hidden_size"));
  EXPECT_THAT(refused([](json& j) { j["num_attention_heads"] = 5; }), HasSubstr("num_"));
  EXPECT_THAT(refused([](json& j) { j["vocab_size"] = "many"; }), HasSubstr("vocab_size"));
  EXPECT_THAT(refused([](json& j) { j["model_type"] = "perceptron"; }), HasSubstr("model_type"));
  EXPECT_THAT(error_of({"plan", "--config", write("bad.json", "{\"model_type\": ")}, 2),
              HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of({"plan", "--config", path("none.json")}, 2), HasSubstr("No such file"));
  EXPECT_THAT(error_of({"plan", "--config", folder_.string()}, 2), HasSubstr("not a regular file"));
}

TEST_F(Usage, BadData) {
  const auto refused = [&](const std::string& file) {
    return error_of({"train", "--model", "llama-tiny", "--steps", "1", "--length", "8", "--data", file}, 2);
  };
  EXPECT_THAT(refused(path("none.txt")), HasSubstr("No such file"));
  EXPECT_THAT(refused(write("empty.txt", "")), HasSubstr("empty"));
  EXPECT_THAT(refused(write("latin.txt", "caf\xe9, and more text than one sequence")),
              HasSubstr("byte 3: not UTF-8"));
  EXPECT_THAT(refused(write("short.txt", "short")), HasSubstr("too few"));
  EXPECT_THAT(refused(write("ids.bin", std::string("\xff\xff\x01\x00", 4))),
              HasSubstr("outside the vocabulary"));
  EXPECT_THAT(refused(write("ids.npy", "not numpy")), HasSubstr("not a .npy file"));
}

TEST_F(Usage, BadWeights) {
  const auto refused = [&](const std::string& file) {
    return error_of(train({"--steps", "1", "--weights", file}), 2);
  };
  json_of(train({"--steps", "1", "--save", path("saved")}));
  const std::string file = path("saved/step-00000001/model.safetensors");
  const std::string whole = bytes_of(file);
  ASSERT_GT(whole.size(), 1000u);
  json_of(train({"--steps", "1", "--weights", file}));
  for (size_t length : {size_t{0}, size_t{7}, size_t{100}, whole.size() / 2, whole.size() - 1})
    EXPECT_THAT(refused(write("cut.safetensors", whole.substr(0, length))), HasSubstr("cut.safetensors"));
  std::string bent = whole;
  bent[0] = '\xff';
  EXPECT_THAT(refused(write("bent.safetensors", bent)), HasSubstr("bent.safetensors"));
  EXPECT_THAT(error_of(train({"--steps", "1", "--weights", file}, "gru-tiny"), 2), HasSubstr("no tensor"));
  EXPECT_THAT(refused(path("none.safetensors")), HasSubstr("none.safetensors"));
}

TEST_F(Usage, APlanOfAnotherGraph) {
  ASSERT_EQ(run({"plan", "--model", "llama-tiny", "--batch", "2", "--length", "16", "--threads", "2", "--out",
                 path("plan.json")})
                .status,
            0);
  EXPECT_THAT(error_of(train({"--steps", "1", "--plan", path("plan.json")}), 2),
              AllOf(HasSubstr("plan.json"), HasSubstr("another graph")));
  EXPECT_THAT(error_of(train({"--steps", "1", "--plan", path("plan.json"), "--budget", "1GiB"}), 2),
              HasSubstr("--plan"));
  write("plan.json", "{}");
  EXPECT_THAT(error_of(train({"--steps", "1", "--plan", path("plan.json")}), 2), HasSubstr("format"));
}

TEST_F(Usage, APlanForFewerThreads) {
  ASSERT_EQ(run({"plan", "--model", "llama-tiny", "--batch", "2", "--length", "32", "--threads", "1", "--out",
                 path("plan.json")})
                .status,
            0);
  EXPECT_THAT(error_of(train({"--steps", "1", "--plan", path("plan.json")}), 2),
              HasSubstr("plan again with --threads 2"));
}

TEST_F(Usage, MastersAreOfBf16) {
  EXPECT_THAT(error_of(train({"--steps", "1", "--no-masters"}), 2),
              HasSubstr("--no-masters: f32 parameters"));
}

TEST_F(Usage, ABackendThatIsNotHere) {
  EXPECT_THAT(error_of(train({"--steps", "1", "--backend", "tpu"}), 2), HasSubstr("--backend"));
  if (why_no_cuda().empty()) return;
  EXPECT_THAT(error_of(train({"--steps", "1", "--backend", "cuda"}), 3),
              HasSubstr("cannot run: --backend cuda: " + why_no_cuda()));
}

TEST_F(Usage, APlanForAnotherBackend) {
  ASSERT_EQ(run({"plan", "--model", "llama-tiny", "--batch", "2", "--length", "32", "--threads", "2",
                 "--backend", "cuda", "--out", path("plan.json")})
                .status,
            0);
  EXPECT_THAT(error_of(train({"--steps", "1", "--plan", path("plan.json")}), 2),
              HasSubstr("it is for cuda; give --backend cuda"));
}

}  // namespace
}  // namespace tidemark
