#include <cstring>

#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Verify : public CommandTest {};

TEST_F(Verify, PassesEveryReferenceUnderEveryStrategy) {
  for (const char* name : {"llama", "llama_packed", "rnn", "lstm", "gru"})
    for (const Arguments& plan :
         std::vector<Arguments>{{}, {"--strategy", "sqrt"}, {"--strategy", "chain-dp", "--threads", "1"}}) {
      Arguments line = {"verify", parity(name + std::string(".json")),
                        parity(name + std::string(".safetensors"))};
      line.insert(line.end(), plan.begin(), plan.end());
      const json j = json_of(line);
      EXPECT_EQ(j["passed"], true);
      EXPECT_LE(j["loss_error"].get<double>(), 1e-4);
      EXPECT_LE(j["worst_error"].get<double>(), 1e-4);
      EXPECT_NE(j["worst_gradient"], "");
    }
}

TEST_F(Verify, TakesABareConfig) {
  const json description = json::parse(bytes_of(parity("lstm.json")));
  const Output output =
      run({"verify", write("config.json", description["config"].dump()), parity("lstm.safetensors")});
  EXPECT_EQ(output.status, 0) << output.error;
  EXPECT_THAT(output.out, HasSubstr("passed"));
}

TEST_F(Verify, TakesALossWithoutDimensions) {
  std::string bytes = bytes_of(parity("rnn.safetensors"));
  const size_t shape = bytes.find("[1]", bytes.find("output/loss"));
  ASSERT_NE(shape, std::string::npos);
  bytes.replace(shape, 3, "[ ]");
  EXPECT_EQ(json_of({"verify", parity("rnn.json"), write("scalar.safetensors", bytes)})["passed"], true);
}

TEST_F(Verify, FailsAReferenceThatDiffers) {
  // The last tensor in the file is a weight of one of the layers: bend its last number.
  std::string bytes = bytes_of(parity("rnn.safetensors"));
  float value = 0;
  std::memcpy(&value, &bytes[bytes.size() - sizeof value], sizeof value);
  value += 0.5f;
  std::memcpy(&bytes[bytes.size() - sizeof value], &value, sizeof value);
  const std::string bent = write("bent.safetensors", bytes);
  const Output output = run({"verify", parity("rnn.json"), bent, "--json"});
  EXPECT_EQ(output.status, 1);
  EXPECT_EQ(output.json()["passed"], false);
  EXPECT_EQ(run({"verify", parity("rnn.json"), bent}).status, 1);
}

TEST_F(Verify, RefusesWhatDoesNotMatch) {
  EXPECT_THAT(error_of({"verify", parity("lstm.json"), parity("gru.safetensors")}, 2),
              HasSubstr("gru.safetensors"));
  EXPECT_THAT(error_of({"verify", parity("llama.json"), parity("gru.safetensors")}, 2),
              HasSubstr("gru.safetensors"));
  EXPECT_THAT(error_of({"verify", parity("llama.json"), path("none.safetensors")}, 2), HasSubstr("none"));
  EXPECT_THAT(error_of({"verify", parity("llama.safetensors"), parity("llama.safetensors")}, 2),
              HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace tidemark
