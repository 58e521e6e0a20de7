#include "executor/io/reference_batch.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ints = std::vector<int32_t>;

class ReferenceBatchTest : public ScratchTest {
 protected:
  static TensorReader parity(const std::string& name) {
    return TensorReader(std::string(TIDEMARK_TEST_DATA) + "/parity/" + name + ".safetensors");
  }
  static Ints slice(const Ints& all, size_t begin, size_t end) {
    return {all.begin() + static_cast<int64_t>(begin), all.begin() + static_cast<int64_t>(end)};
  }
  ReferenceBatch batch_of(const std::map<std::string, Ints>& rows_of_four) const {
    std::vector<OutgoingTensor> tensors;
    for (const auto& [name, values] : rows_of_four)
      tensors.push_back(outgoing("input/" + name, {DType::i32, {static_cast<int64_t>(values.size()) / 4, 4}},
                                 values.data()));
    write_safetensors(path("r.safetensors"), tensors);
    return reference_batch(TensorReader(path("r.safetensors")), *model_from_preset("llama-tiny"));
  }
};

TEST_F(ReferenceBatchTest, UnpadsMaskedRows) {
  const TensorReader reader = parity("llama");
  const ReferenceBatch batch = reference_batch(reader, *model_from_preset("llama-tiny"));
  EXPECT_EQ(batch.spec.tokens, 20 + 14 + 9);
  EXPECT_EQ(batch.spec.sequences, 3);
  EXPECT_EQ(batch.spec.max_length, 20);
  EXPECT_THAT(batch.inputs.at("cu_seqlens"), ElementsAre(0, 20, 34, 43));
  const Ints ids = reader.read_integers("input/input_ids");
  EXPECT_EQ(slice(batch.inputs.at("input_ids"), 20, 34), slice(ids, 20, 34));
  EXPECT_EQ(slice(batch.inputs.at("input_ids"), 34, 43), slice(ids, 40, 49));
  // Each label is the next id, and the last of each sequence has none.
  EXPECT_EQ(slice(batch.inputs.at("labels"), 34, 42), slice(ids, 41, 49));
  for (const size_t last : {19u, 33u, 42u}) EXPECT_EQ(batch.inputs.at("labels")[last], -100);
  EXPECT_EQ(batch.inputs.at("position_ids")[33], 13);
}

TEST_F(ReferenceBatchTest, SplitsPackedRowsWherePositionsRestart) {
  const ReferenceBatch batch = reference_batch(parity("llama_packed"), *model_from_preset("llama-tiny"));
  EXPECT_THAT(batch.inputs.at("cu_seqlens"), ElementsAre(0, 7, 19, 24));
  EXPECT_EQ(batch.spec.max_length, 12);
  for (const size_t last : {6u, 18u, 23u}) EXPECT_EQ(batch.inputs.at("labels")[last], -100);
  EXPECT_EQ(batch.inputs.at("labels")[7], batch.inputs.at("input_ids")[8]);
}

TEST_F(ReferenceBatchTest, PacksRecurrentSequencesByTime) {
  const TensorReader reader = parity("lstm");
  const ReferenceBatch batch =
      reference_batch(reader, *model_from_preset("llama-tiny"));  // lengths 9, 14, 1, 6
  EXPECT_EQ(batch.spec.tokens, 30);
  EXPECT_THAT(batch.inputs.at("batch_sizes"), ElementsAre(4, 3, 3, 3, 3, 3, 2, 2, 2, 1, 1, 1, 1, 1));
  const Ints x = reader.read_integers("input/x"), labels = reader.read_integers("input/labels");
  const auto at = [](const Ints& m, size_t row, size_t column) { return m[row * 14 + column]; };
  EXPECT_EQ(slice(batch.inputs.at("input_ids"), 0, 5),
            (Ints{at(x, 1, 0), at(x, 0, 0), at(x, 3, 0), at(x, 2, 0), at(x, 1, 1)}));
  EXPECT_EQ(slice(batch.inputs.at("labels"), 4, 7),
            (Ints{at(labels, 1, 1), at(labels, 0, 1), at(labels, 3, 1)}));
  EXPECT_EQ(batch.inputs.at("input_ids").back(), at(x, 1, 13));
  EXPECT_EQ(batch.inputs.count("cu_seqlens"), 0u);
}

TEST_F(ReferenceBatchTest, TakesLeftPaddingAndPlainRows) {
  const Ints ids = {1, 2, 3, 4, 5, 6, 7, 8};
  const ReferenceBatch left = batch_of({{"input_ids", ids},
                                        {"labels", {-100, 2, 3, 4, -100, -100, -100, 8}},
                                        {"attention_mask", {0, 1, 1, 1, 0, 0, 0, 1}}});
  EXPECT_THAT(left.inputs.at("input_ids"), ElementsAre(2, 3, 4, 8));
  EXPECT_THAT(left.inputs.at("labels"), ElementsAre(3, 4, -100, -100));
  const ReferenceBatch plain = batch_of({{"input_ids", ids}, {"labels", ids}});
  EXPECT_THAT(plain.inputs.at("cu_seqlens"), ElementsAre(0, 4, 8));
}

TEST_F(ReferenceBatchTest, RefusesContradictions) {
  const Ints ids = {1, 2, 3, 4};
  const auto refused = [&](const std::string& name, const Ints& values) {
    return message_of<Error>([&] { batch_of({{"input_ids", ids}, {"labels", ids}, {name, values}}); });
  };
  EXPECT_THAT(refused("attention_mask", {1, 0, 1, 0}), HasSubstr("two runs"));
  EXPECT_THAT(refused("attention_mask", {0, 0, 0, 0}), HasSubstr("masks every token"));
  EXPECT_THAT(refused("position_ids", {0, 1, 3, 4}), HasSubstr("do not count up"));
  EXPECT_THAT(refused("position_ids", {0, 1, 2, 3, 0, 1, 2, 3}), HasSubstr("shape"));
  EXPECT_THAT(message_of<Error>([&] { batch_of({{"labels", ids}}); }), HasSubstr("input/input_ids"));
}

}  // namespace
}  // namespace tidemark
