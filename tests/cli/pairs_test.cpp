// Pairs of sequences from a .tsv file: training, plans, evaluation and what is refused.
#include <algorithm>
#include <cmath>

#include "tests/cli/command.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Pairs : public CommandTest {
 protected:
  /// 60 words and their letters the other way round, of 2 to 8.
  std::string words() const {
    std::string text;
    for (int i = 0; i < 60; ++i) {
      std::string word;
      for (int k = 0; k < 2 + i % 7; ++k) word += static_cast<char>('a' + (i * 7 + k * k * 5 + k) % 26);
      text += word + "\t" + std::string(word.rbegin(), word.rend()) + "\n";
    }
    return write("words.tsv", text);
  }
  static Arguments model(const std::string& command, const std::string& preset, const Arguments& more) {
    return with({command, "--model", preset, "--batch", "4", "--length", "20", "--threads", "2"}, more);
  }
  static Arguments documents(const std::string& command, const std::string& preset, const Arguments& more) {
    Arguments all = model(command, preset, more);
    all.insert(all.end(), {"--packing", "documents"});
    return all;
  }
};

TEST_F(Pairs, TrainUnderAPlanAndEvaluate) {
  const std::string data = words();
  for (const std::string preset : {"transformer-tiny", "gru-tiny", "mamba-tiny"}) {
    SCOPED_TRACE(preset);
    const Arguments run = {"--data",          data,
                           "--steps",         "12",
                           "--learning-rate", "3e-3",
                           "--warmup-steps",  "3",
                           "--decay",         "inverse-square-root"};
    const json whole = json_of(documents("train", preset, run));
    EXPECT_LT(whole["losses"].back(), whole["losses"].front());

    const json plan = json_of(documents("plan", preset, {"--budget", "97%", "--out", path("plan.json")}));
    Arguments planned = run;
    planned.insert(planned.end(), {"--plan", path("plan.json"), "--save", path(preset)});
    const json same = json_of(documents("train", preset, planned));
    EXPECT_EQ(same["losses"], whole["losses"]);
    EXPECT_EQ(same["measured_peak_bytes"], plan["predicted_peak_bytes"]);
    EXPECT_LT(same["measured_peak_bytes"], whole["measured_peak_bytes"]);

    const json test =
        json_of(model("evaluate", preset, {"--weights", path(preset + "/step-00000012"), "--data", data}));
    int64_t predicted = 0;  // the target and its end
    for (int i = 0; i < 60; ++i) predicted += 2 + i % 7 + 1;
    EXPECT_EQ(test["tokens"], predicted);
    EXPECT_NEAR(test["perplexity"], std::exp(test["loss"].get<double>()), 1e-6);
    EXPECT_LT(test["loss"], std::log(256));
  }
}

TEST_F(Pairs, AreDecodedOnceLearnt) {
  const std::string data = write("few.tsv", "ab\tc\nb\tdd\nca\tbe\n");
  for (const std::string preset : {"transformer-tiny", "gru-tiny"}) {
    SCOPED_TRACE(preset);
    const Arguments model = {"--model", preset, "--batch", "4", "--length", "20", "--threads", "1"};
    json_of(with({"train", "--data", data, "--steps", "150", "--learning-rate", "1e-2", "--warmup-steps",
                  "10", "--save", path(preset)},
                 model));
    const auto decode = [&](const std::string& pairs) {
      return json_of(with({"evaluate", "--weights", path(preset + "/step-00000150"), "--data", pairs,
                           "--decode", path("decoded.tsv")},
                          model));
    };
    const json learnt = decode(data);
    EXPECT_EQ(learnt["pairs"], 3);
    EXPECT_EQ(learnt["token_error_rate"], 0);
    EXPECT_EQ(learnt["target_error_rate"], 0);
    EXPECT_EQ(bytes_of(path("decoded.tsv")), "ab\tc\tc\nb\tdd\tdd\nca\tbe\tbe\n");
    const json other = decode(write("other.tsv", "ab\tx\nb\tdd\n"));
    EXPECT_NEAR(other["token_error_rate"], 1.0 / 3, 1e-12);
    EXPECT_EQ(other["target_error_rate"], 0.5);
  }
}

TEST_F(Pairs, GoOnBitByBitAlongTheInverseSquareRoot) {
  const std::string data = words();
  const auto train = [&](const std::string& steps, const Arguments& more) {
    return with(
        model("train", "transformer-tiny",
              {"--data", data, "--warmup-steps", "2", "--decay", "inverse-square-root", "--steps", steps}),
        more);
  };
  const json whole = json_of(train("6", {}));
  json_of(train("3", {"--save", path("saved")}));
  EXPECT_EQ(json_of(train("6", {"--resume", path("saved")}))["losses"], whole["losses"]);
  Arguments cosine = train("6", {"--resume", path("saved")});
  *std::find(cosine.begin(), cosine.end(), "inverse-square-root") = "cosine";
  EXPECT_THAT(error_of(cosine, 2), HasSubstr("decay"));
}

TEST_F(Pairs, OfRandomTokensFitAnyBatch) {
  for (const auto& [length, target] : {std::pair{"256", "4"}, {"4", "256"}, {"2", "2"}, {"2", "100"}}) {
    SCOPED_TRACE(std::string(length) + " to " + target);
    const json profile =
        json_of({"profile", "--model", "transformer-tiny", "--batch", "1", "--length", length,
                 "--target-length", target, "--steps", "2", "--out", path("run.tide")});
    EXPECT_EQ(profile["training_steps"], 2);
  }
}

TEST_F(Pairs, SayWhatIsWrong) {
  const auto refusal = [&](const std::string& text, const std::string& preset, const Arguments& more = {}) {
    return error_of(with(model("train", preset, {"--steps", "1", "--data", write("d.tsv", text)}), more), 2);
  };
  const std::string pair = "ab\tc\n";
  EXPECT_THAT(refusal(pair + "\tc\n", "transformer-tiny"), HasSubstr("line 2: its source is empty"));
  EXPECT_THAT(refusal(pair + "a\t\n", "transformer-tiny"), HasSubstr("line 2: its target is empty"));
  EXPECT_THAT(refusal(std::string(20, 'a') + "\tb\n", "transformer-tiny"), HasSubstr("use --length 21"));
  EXPECT_THAT(refusal(pair, "transformer-tiny", {"--packing", "windows"}), HasSubstr("--packing"));
  EXPECT_THAT(refusal(pair, "transformer-tiny", {"--decay", "inverse-square-root", "--schedule-steps", "9"}),
              HasSubstr("--schedule-steps"));
  EXPECT_THAT(refusal(pair, "transformer-tiny", {"--decay", "linear"}), HasSubstr("--decay"));
  EXPECT_THAT(refusal(pair, "llama-tiny"), HasSubstr("use --packing documents"));
  EXPECT_THAT(refusal(pair, "lstm-tiny", {"--target-length", "9"}), HasSubstr("--target-length"));
  EXPECT_THAT(error_of(model("evaluate", "llama-tiny",
                             {"--weights", "none", "--data", shakespeare(), "--decode", "d"}),
                       2),
              HasSubstr("give pairs"));
}

}  // namespace
}  // namespace tidemark
