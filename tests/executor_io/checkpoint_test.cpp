#include "executor/io/checkpoint.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

/// A small training state whose every number follows from its step.
struct State {
  explicit State(int64_t at_step, size_t size = 1000)
      : step(at_step), weight(size), moment(size), master(size) {
    for (size_t i = 0; i < size; ++i) {
      weight[i] = static_cast<uint16_t>(static_cast<size_t>(step) * 31 + i);
      moment[i] = static_cast<float>(step) + 0.1f * static_cast<float>(i);
      master[i] = -moment[i];
    }
  }
  std::vector<TensorSlot> parameters() {
    return {{"w", {DType::bf16, {static_cast<int64_t>(weight.size())}}, weight.data()}};
  }
  std::vector<TensorSlot> optimizer() {
    const TensorType type{DType::f32, {static_cast<int64_t>(moment.size())}};
    return {{"w.adam_m", type, moment.data()}, {"w.master", type, master.data()}};
  }
  void save(const std::string& directory, const CheckpointOptions& options = {}) {
    const json config = {{"model_type", "llama"}}, settings = {{"batch", 4}};
    const TrainingProgress progress{step, 0xffffffffffffffffu, std::vector<double>{1.5, 0.1}};
    save_checkpoint(directory, {config, settings, progress, parameters(), optimizer()}, options);
  }
  bool operator==(const State&) const = default;

  int64_t step;
  std::vector<uint16_t> weight;
  std::vector<float> moment, master;
};

State load(const std::string& path, size_t size = 1000) {
  const Checkpoint checkpoint(path);
  State state(0, size);
  state.step = checkpoint.progress().step;
  checkpoint.restore_parameters(state.parameters());
  checkpoint.restore_optimizer(state.optimizer());
  return state;
}

class CheckpointTest : public ScratchTest {
 protected:
  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
};

TEST_F(CheckpointTest, ComesBackBitByBit) {
  State saved(7);
  saved.save(folder_.string());
  EXPECT_EQ(load(folder_.string()), saved);
  const Checkpoint checkpoint(folder_.string());
  EXPECT_EQ(checkpoint.progress().seed, 0xffffffffffffffffu);
  EXPECT_EQ(checkpoint.progress().losses, (std::vector<double>{1.5, 0.1}));
  EXPECT_EQ(checkpoint.settings(), json({{"batch", 4}}));
  EXPECT_EQ(checkpoint.config()["model_type"], "llama");
  // The model alone is what others read.
  EXPECT_TRUE(TensorReader(checkpoint.directory()).has("w"));
}

TEST_F(CheckpointTest, KeepsLossesThatAreNotFinite) {
  const json none = json::object();
  const TrainingProgress progress{1, 0, std::vector<double>{2.0, std::numeric_limits<double>::infinity()}};
  save_checkpoint(folder_.string(), {none, none, progress, {}, {}});
  const Checkpoint checkpoint(folder_.string());
  EXPECT_EQ(checkpoint.progress().losses[0], 2.0);
  EXPECT_TRUE(std::isnan(checkpoint.progress().losses[1]));
}

TEST_F(CheckpointTest, KeepsTheNewestAndForgetsTheRest) {
  for (int64_t step = 1; step <= 5; ++step) State(step).save(folder_.string(), {.keep = 2});
  EXPECT_THAT(entries(), ::testing::ElementsAre("checkpoint.json", "step-00000004", "step-00000005"));
  EXPECT_EQ(load(path("step-00000004")), State(4));
  // The same step again takes a name of its own.
  State(5).save(folder_.string());
  EXPECT_EQ(load(folder_.string()), State(5));
  EXPECT_THAT(entries(), ::testing::ElementsAre("checkpoint.json", "step-00000005", "step-00000005-2"));
}

TEST_F(CheckpointTest, ShardsLargeModels) {
  State state(3);
  state.save(folder_.string(), {.keep = 1, .max_shard_bytes = 100});
  EXPECT_EQ(load(folder_.string()), state);
}

TEST_F(CheckpointTest, NoticesDamageAnywhere) {
  State(1).save(folder_.string());
  State(2).save(folder_.string());
  std::mt19937 random(1);
  for (const auto& entry : fs::directory_iterator(path("step-00000002"))) {
    const std::string file = entry.path().string(), whole = bytes_of(file);
    for (int i = 0; i < 20; ++i) {
      std::string damaged = whole;
      damaged[random() % whole.size()] ^= static_cast<char>(1 << random() % 8);
      std::ofstream(file, std::ios::binary) << damaged;
      const std::string message = message_of<Error>([&] { Checkpoint{folder_.string()}; });
      EXPECT_THAT(message, HasSubstr(file));
      EXPECT_THAT(message, HasSubstr("resume from " + path("step-00000001") + " instead"));
    }
    std::ofstream(file, std::ios::binary) << whole.substr(0, whole.size() / 2);
    EXPECT_THROW(Checkpoint{folder_.string()}, Error);
    std::ofstream(file, std::ios::binary) << whole;
  }
  EXPECT_EQ(load(folder_.string()), State(2));
  EXPECT_EQ(load(path("step-00000001")), State(1));
  fs::remove(path("step-00000002/config.json"));
  EXPECT_THAT(message_of<Error>([&] { Checkpoint{folder_.string()}; }), HasSubstr("config.json: missing"));
}

TEST_F(CheckpointTest, RefusesAnotherRunsState) {
  State(1).save(folder_.string());
  const Checkpoint checkpoint(folder_.string());
  State state(0);
  std::vector<float> wide(1000);
  const auto refused = [&](const std::vector<TensorSlot>& slots) {
    return message_of<Error>([&] { checkpoint.restore_parameters(slots); });
  };
  EXPECT_THAT(refused({{"w", {DType::f32, {1000}}, wide.data()}}),
              HasSubstr("saved as BF16, this run has f32"));
  EXPECT_THAT(refused({{"v", {DType::bf16, {1000}}, wide.data()}}), HasSubstr("no tensor 'v'"));
  EXPECT_THAT(refused({}), HasSubstr("1 tensors were saved, this run has 0"));
  EXPECT_THAT(message_of<Error>([&] { Checkpoint{path("nothing")}; }), HasSubstr("no checkpoint there"));
  write("checkpoint.json", R"({"format":"other"})");
  EXPECT_THAT(message_of<Error>([&] { Checkpoint{folder_.string()}; }), HasSubstr("checkpoint.json, format"));
}

TEST_F(CheckpointTest, SurvivesAFullDisk) {
  State(1).save(folder_.string());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // A limit on file sizes stands in for the disk; it fails inside the optimizer's file.
    const struct rlimit limit = {5000, 5000};
    ::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      State(2).save(folder_.string());
    } catch (const Error& error) {
      const bool clear = std::strstr(error.what(), "optimizer.safetensors, tensor 'w.") != nullptr;
      ::_exit(clear && error.code() == ExitCode::failure ? 0 : 2);
    }
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_THAT(entries(), ::testing::ElementsAre("checkpoint.json", "step-00000001"));
  EXPECT_EQ(load(folder_.string()), State(1));
}

// Kills a writer at random moments, again and again in the same folder. What is found then must be whole
// and no older than the last save that returned.
TEST_F(CheckpointTest, SurvivesKillsAtAnyMoment) {
  constexpr size_t kSize = 20000;
  std::mt19937 random(5);
  int64_t step = 0;
  int found = 0;
  for (int round = 0; round < 40; ++round) {
    int channel[2];
    ASSERT_EQ(::pipe(channel), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int64_t next = step + 1;; ++next) {
        State(next, kSize).save(folder_.string());
        if (::write(channel[1], &next, sizeof next) != sizeof next) ::_exit(1);
      }
    }
    ::close(channel[1]);
    int64_t acknowledged = step;
    // On a slow machine no save may end within the time below, so every second child ends one first.
    if (round % 2 == 1) {
      ASSERT_EQ(::read(channel[0], &acknowledged, sizeof acknowledged),
                static_cast<ssize_t>(sizeof acknowledged));
    }
    ::usleep(static_cast<useconds_t>(random() % 40000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(channel[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
    }
    ::close(channel[0]);
    if (acknowledged == 0 && !fs::exists(path("checkpoint.json"))) continue;
    const State state = load(folder_.string(), kSize);
    EXPECT_GE(state.step, acknowledged);
    EXPECT_LE(state.step, acknowledged + 1);
    EXPECT_EQ(state, State(state.step, kSize));
    step = state.step;
    ++found;
  }
  EXPECT_GT(found, 0);
  State(step + 1, kSize).save(folder_.string());
  for (const std::string& name : entries())
    EXPECT_TRUE(name == "checkpoint.json" || name.rfind("step-", 0) == 0) << name;
  EXPECT_EQ(entries().size(), 3u);
}

}  // namespace
}  // namespace tidemark
