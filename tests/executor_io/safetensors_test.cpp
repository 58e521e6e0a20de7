#include "executor/io/safetensors.h"

#include <gmock/gmock.h>

#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Safetensors : public ScratchTest {
 protected:
  /// A file with the given header text and data, whatever they say.
  std::string raw(const std::string& header, const std::string& data) const {
    const uint64_t length = header.size();
    std::string bytes(reinterpret_cast<const char*>(&length), 8);
    return write("raw.safetensors", bytes + header + data);
  }
  std::string refusal(const std::string& header, const std::string& data) const {
    const std::string file = raw(header, data);
    const std::string message = message_of<Error>([&] { SafetensorsFile{file}; });
    EXPECT_THAT(message, HasSubstr(file));
    return message;
  }
};

TEST_F(Safetensors, ReadsFilesOthersWrote) {
  for (const char* name : {"llama", "llama_packed", "rnn", "lstm", "gru"}) {
    const std::string base = std::string(TIDEMARK_TEST_DATA) + "/parity/" + name;
    const TensorReader reader(base + ".safetensors");
    const json facts = json::parse(bytes_of(base + ".json"));
    int64_t parameters = 0;
    for (const auto& [key, tensor] : reader.tensors()) {
      if (key.rfind("weight/", 0) != 0) continue;
      parameters += tensor.elements();
      EXPECT_EQ(reader.require("grad/" + key.substr(7)).shape, tensor.shape);
    }
    EXPECT_EQ(parameters, facts["params"].get<int64_t>()) << name;
    float loss = 0;
    reader.read("output/loss", {DType::f32, {1}}, &loss);
    EXPECT_EQ(static_cast<double>(loss), facts["loss"].get<double>()) << name;
  }
}

TEST_F(Safetensors, WritesBackTheSameBytes) {
  const SafetensorsFile original(std::string(TIDEMARK_TEST_DATA) + "/parity/llama.safetensors");
  std::vector<OutgoingTensor> tensors;
  for (const StoredTensor& tensor : original.tensors())
    tensors.push_back({tensor.name, tensor.type, tensor.shape, [&tensor](const ByteSink& sink) {
                         sink(tensor.bytes.first(tensor.bytes.size() / 2));  // in pieces
                         sink(tensor.bytes.subspan(tensor.bytes.size() / 2));
                       }});
  write_safetensors(path("copy.safetensors"), tensors, original.metadata());
  // Not only the data: the official writer lays out header and tensors the same way.
  EXPECT_EQ(bytes_of(path("copy.safetensors")), bytes_of(original.path()));
}

TEST_F(Safetensors, KeepsTypesMetadataAndEmptyTensors) {
  const std::vector<uint16_t> bf16 = {0x3f80, 0xc000};
  const std::vector<int32_t> ints = {1, -2, 3};
  write_safetensors(
      path("a.safetensors"),
      {outgoing("x", {DType::bf16, {2, 1}}, bf16.data()), outgoing("i", {DType::i32, {3}}, ints.data()),
       outgoing("none", {DType::f32, {0, 4}}, nullptr)},
      {{"format", "pt"}, {"quote", "\"\\\n"}});
  const TensorReader reader(path("a.safetensors"));
  float wide[2];
  reader.read("x", {DType::f32, {2, 1}}, wide);
  EXPECT_EQ(wide[0], 1.0f);
  EXPECT_EQ(wide[1], -2.0f);
  EXPECT_EQ(reader.read_integers("i"), ints);
  EXPECT_EQ(reader.require("none").elements(), 0);
  EXPECT_EQ(SafetensorsFile(path("a.safetensors")).metadata().at("quote"), "\"\\\n");
}

TEST_F(Safetensors, NamesTheTensorThatDoesNotFit) {
  const std::vector<float> data = {1, 2};
  write_safetensors(path("a.safetensors"), {outgoing("w", {DType::f32, {2}}, data.data())});
  const TensorReader reader(path("a.safetensors"));
  float out[4];
  const auto read = [&](const std::string& name, const TensorType& type) {
    return message_of<Error>([&] { reader.read(name, type, out); });
  };
  EXPECT_THAT(read("w", {DType::f32, {2, 1}}), HasSubstr("'w': its shape is [2], the model's [2, 1]"));
  EXPECT_THAT(read("w", {DType::i32, {2}}), HasSubstr("do not convert to i32"));
  EXPECT_THAT(read("v", {DType::f32, {2}}), HasSubstr("no tensor 'v'"));
}

TEST_F(Safetensors, RefusesBadHeaders) {
  const auto one = [](const std::string& fields) { return R"({"t":{)" + fields + "}}"; };
  const std::string good = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  EXPECT_EQ(SafetensorsFile(raw(one(good), "abcd")).tensors().size(), 1u);
  EXPECT_THAT(refusal(one(good), "abc"), HasSubstr("'t': its data ends at byte 4 of 3"));
  EXPECT_THAT(refusal(one(good), "abcde"), HasSubstr("1 bytes past the last tensor"));
  EXPECT_THAT(refusal("", ""), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("[]", ""), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("{\"t\":", ""), HasSubstr("not valid JSON at byte"));
  EXPECT_THAT(refusal("{\"\xff\":1}", ""), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(R"({"t":{)" + good + R"(},"t":{)" + good + "}}", "abcd"), HasSubstr("appears twice"));
  EXPECT_THAT(refusal(one(R"("dtype":"F33","shape":[1],"data_offsets":[0,4])"), "abcd"), HasSubstr("F33"));
  EXPECT_THAT(refusal(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), "abcd"), HasSubstr("-1"));
  EXPECT_THAT(refusal(one(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), "abcd"), HasSubstr("1.0"));
  EXPECT_THAT(refusal(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), "abcd"),
              HasSubstr("backwards"));
  EXPECT_THAT(refusal(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,4])"), "abcd"), HasSubstr("two"));
  EXPECT_THAT(refusal(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), "abcd"),
              HasSubstr("does not fill"));
  EXPECT_THAT(refusal(one(R"("dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,16])"),
                      std::string(16, 'a')),
              HasSubstr("does not fill"));
  EXPECT_THAT(refusal(one(good + R"(,"extra":1)"), "abcd"), HasSubstr("extra"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"a":1}})", ""), HasSubstr("__metadata__.a"));
  const std::string overlap = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                              R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})";
  EXPECT_THAT(refusal(overlap, "abcdef"), HasSubstr("'b': its data overlaps"));
  EXPECT_THAT(refusal(one(R"("dtype":"F32","shape":[1],"data_offsets":[2,6])"), "abcdef"), HasSubstr("hole"));
}

TEST_F(Safetensors, RefusesEveryTruncation) {
  const std::string whole = bytes_of(std::string(TIDEMARK_TEST_DATA) + "/parity/rnn.safetensors");
  for (size_t size = 0; size < whole.size(); size += size < 2000 ? 1 : 977)
    EXPECT_THROW(SafetensorsFile(write("cut.safetensors", whole.substr(0, size))), Error) << size;
  EXPECT_THROW(SafetensorsFile(path("absent.safetensors")), Error);
  EXPECT_THROW(SafetensorsFile(folder_.string()), Error);
}

// Whatever happens to the header, reading it gives an Error or tensors that lie within the file.
TEST_F(Safetensors, SurvivesDamagedHeaders) {
  const std::string whole = bytes_of(std::string(TIDEMARK_TEST_DATA) + "/parity/rnn.safetensors");
  std::mt19937 random(3);
  int refused = 0;
  constexpr int kRounds = 3000;
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes = whole;
    for (int change = 0; change <= static_cast<int>(random() % 3); ++change) {
      const size_t at = random() % 1600;  // length and header
      if (round % 2 == 0)
        bytes[at] = static_cast<char>(random());
      else
        bytes[at] = "0123456789{}[],:\""[random() % 17];
    }
    try {
      const SafetensorsFile file(write("fuzz.safetensors", bytes));
      size_t total = 0;
      for (const StoredTensor& tensor : file.tensors()) {
        total += tensor.bytes.size();
        if (!tensor.bytes.empty()) {
          volatile auto last = tensor.bytes.back();
          static_cast<void>(last);
        }
      }
      EXPECT_LE(total, bytes.size());
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, kRounds / 2);
}

TEST_F(Safetensors, ShardsAndReadsBack) {
  std::vector<std::vector<float>> data;
  std::vector<OutgoingTensor> tensors;
  for (int i = 0; i < 5; ++i) {
    data.emplace_back(100 + static_cast<size_t>(i), static_cast<float>(i));
    tensors.push_back(outgoing("t" + std::to_string(i), {DType::f32, {100 + i}}, data.back().data()));
  }
  const auto files = write_model(folder_.string(), tensors, 1000);
  EXPECT_EQ(files.size(), 4u);
  EXPECT_EQ(files.front(), "model-00001-of-00003.safetensors");
  const json index = json::parse(bytes_of(path("model.safetensors.index.json")));
  EXPECT_EQ(index["metadata"]["total_size"], (100 + 101 + 102 + 103 + 104) * 4);
  EXPECT_EQ(index["weight_map"]["t4"], "model-00003-of-00003.safetensors");
  for (const std::string& opened : {folder_.string(), path("model.safetensors.index.json")}) {
    const TensorReader reader(opened);
    EXPECT_EQ(reader.tensors().size(), 5u);
    std::vector<float> got(103);
    reader.read("t3", {DType::f32, {103}}, got.data());
    EXPECT_EQ(got, data[3]);
  }
  // One shard has no index, and an old index does not survive it.
  EXPECT_EQ(write_model(folder_.string(), {tensors[0]}, 1000), std::vector<std::string>{"model.safetensors"});
  EXPECT_EQ(TensorReader(folder_.string()).tensors().size(), 1u);
}

TEST_F(Safetensors, RefusesBadIndexes) {
  const std::vector<float> data = {1};
  write_safetensors(path("s1.safetensors"), {outgoing("a", {DType::f32, {1}}, data.data())});
  const auto refused = [&](const std::string& weight_map) {
    const std::string file = write("model.safetensors.index.json", R"({"weight_map":)" + weight_map + "}");
    return message_of<Error>([&] { TensorReader{file}; });
  };
  EXPECT_THAT(refused("[]"), HasSubstr("weight_map"));
  EXPECT_THAT(refused(R"({"a":1})"), HasSubstr("'a' is not a file name"));
  EXPECT_THAT(refused(R"({"a":"../s1.safetensors"})"), HasSubstr("not in its folder"));
  EXPECT_THAT(refused(R"({"a":"s2.safetensors"})"), HasSubstr("s2.safetensors"));
  EXPECT_THAT(refused(R"({"b":"s1.safetensors"})"), HasSubstr("'b' is not in s1"));
  EXPECT_THAT(refused("null"), HasSubstr("weight_map"));
}

TEST_F(Safetensors, ReportsAFullDiskAndKeepsTheOldFile) {
  const std::vector<float> data(1000, 2);
  const std::vector<OutgoingTensor> tensors = {outgoing("w", {DType::f32, {1000}}, data.data())};
  const std::string full = message_of<Error>([&] { write_safetensors("/dev/full", tensors); });
  EXPECT_THAT(full, HasSubstr("/dev/full, "));
  EXPECT_THAT(full, HasSubstr("No space left"));

  write("w.safetensors", "old");
  std::vector<OutgoingTensor> failing = tensors;
  failing[0].emit = [&](const ByteSink& sink) {
    sink(std::as_bytes(std::span(data)).first(10));
    throw Error("cannot", "go", "on");
  };
  EXPECT_THROW(write_safetensors(path("w.safetensors"), failing), Error);
  EXPECT_EQ(bytes_of(path("w.safetensors")), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
  EXPECT_THROW(write_safetensors(path("no/such/w.safetensors"), tensors), Error);
}

}  // namespace
}  // namespace tidemark
