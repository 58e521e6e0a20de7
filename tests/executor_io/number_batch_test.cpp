#include "executor/io/number_batch.h"

#include <gmock/gmock.h>

#include <limits>

#include "base/error.h"
#include "executor/io/safetensors.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NumberBatchTest : public ScratchTest {
 protected:
  /// Three sequences of up to four steps of three numbers, 100 * sequence + 10 * step + column.
  std::string write(std::vector<int32_t> labels, std::vector<int32_t> lengths, int64_t columns = 3) const {
    std::vector<float> x;
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t t = 0; t < 4; ++t)
        for (int64_t c = 0; c < columns; ++c) x.push_back(static_cast<float>(100 * i + 10 * t + c));
    std::vector<OutgoingTensor> tensors = {
        outgoing("x", {DType::f32, {3, 4, columns}}, x.data()),
        outgoing("labels", {DType::i32, {static_cast<int64_t>(labels.size())}}, labels.data())};
    if (!lengths.empty())
      tensors.push_back(
          outgoing("lengths", {DType::i32, {static_cast<int64_t>(lengths.size())}}, lengths.data()));
    write_safetensors(path("d.safetensors"), tensors);
    return path("d.safetensors");
  }
  std::unique_ptr<Model> model = model_from_preset("lru-tiny");  // three numbers a step, five classes
};

struct Batch {
  explicit Batch(const BatchSpec& spec)
      : x(static_cast<size_t>(spec.tokens * 3)),
        labels(static_cast<size_t>(spec.sequences)),
        cu_seqlens(static_cast<size_t>(spec.sequences + 1)) {}
  NumberView view() { return {{"x", {DType::f32, {1}}, x.data()}, labels, cu_seqlens}; }
  std::vector<float> x;
  std::vector<int32_t> labels, cu_seqlens;
};

TEST_F(NumberBatchTest, FillsExactlyAndInOrderWithoutASeed) {
  const auto source = std::make_shared<NumberSource>(write({2, 0, 4}, {4, 2, 3}), *model);
  const BatchSpec spec{.tokens = 5, .sequences = 3, .max_length = 4};
  Batch batch(spec);
  const NumberBatchMaker maker(source, spec, {});
  maker.fill(0, batch.view());
  EXPECT_THAT(batch.cu_seqlens, ElementsAre(0, 4, 5, 5));
  EXPECT_THAT(batch.labels, ElementsAre(2, -100, -100)) << "what was cut has no label";
  EXPECT_EQ(batch.x[3 * 3 + 1], 31);
  EXPECT_EQ(batch.x[4 * 3 + 2], 102);
}

TEST_F(NumberBatchTest, ASeedAndTheNumberDecide) {
  const auto source = std::make_shared<NumberSource>(write({2, 0, 4}, {}), *model);
  const BatchSpec spec{.tokens = 8, .sequences = 2, .max_length = 4};
  Batch a(spec), b(spec);
  NumberBatchMaker(source, spec, 7).fill(3, a.view());
  NumberBatchMaker(source, spec, 7).fill(3, b.view());
  EXPECT_EQ(a.x, b.x);
  int different = 0;
  for (int i = 0; i < 8; ++i) {
    NumberBatchMaker(source, spec, 8).fill(i, b.view());
    different += a.x != b.x;
  }
  EXPECT_GT(different, 0);
}

TEST_F(NumberBatchTest, SaysWhichNumbersAreNotFiniteAndWhatIsEmpty) {
  const auto file = [&](int64_t sequences, int64_t steps, int64_t bad_element) {
    std::vector<float> x(static_cast<size_t>(sequences * steps * 3), 0.5f);
    std::vector<int32_t> labels(static_cast<size_t>(sequences), 1), lengths(labels.size(), 1);
    if (bad_element >= 0) x[static_cast<size_t>(bad_element)] = std::numeric_limits<float>::quiet_NaN();
    std::vector<OutgoingTensor> tensors = {outgoing("x", {DType::f32, {sequences, steps, 3}}, x.data()),
                                           outgoing("labels", {DType::i32, {sequences}}, labels.data())};
    if (steps > 1) tensors.push_back(outgoing("lengths", {DType::i32, {sequences}}, lengths.data()));
    write_safetensors(path("d.safetensors"), tensors);
    return path("d.safetensors");
  };
  const auto refusal = [&](const std::string& path) {
    return message_of<Error>([&] { NumberSource(path, *model); });
  };
  EXPECT_THAT(refusal(file(2, 2, 8)), HasSubstr("'x': sequence 1 has a number that is not finite"));
  EXPECT_NO_THROW(NumberSource(file(2, 2, 9), *model)) << "what is past a sequence's end does not count";
  EXPECT_THAT(refusal(file(0, 2, -1)), HasSubstr("it has no sequences"));
  EXPECT_THAT(refusal(file(2, 0, -1)), HasSubstr("its sequences have no steps"));
}

TEST_F(NumberBatchTest, SaysWhatIsWrongWithTheData) {
  const auto refusal = [&](std::vector<int32_t> labels, std::vector<int32_t> lengths, int64_t columns = 3) {
    return message_of<Error>(
        [&] { NumberSource(write(std::move(labels), std::move(lengths), columns), *model); });
  };
  EXPECT_THAT(refusal({0, 1, 2}, {}, 2), HasSubstr("'x': not of shape [sequences, length, 3]"));
  EXPECT_THAT(refusal({0, 1}, {}), HasSubstr("'labels': not one for each sequence"));
  EXPECT_THAT(refusal({0, 1, 5}, {}), HasSubstr("5 is not a class; give 0 to 4"));
  EXPECT_THAT(refusal({0, 1, 2}, {4, 0, 1}), HasSubstr("'lengths': not one for each sequence, from 1 to 4"));
  EXPECT_NO_THROW(NumberSource(write({0, -100, 4}, {4, 1, 1}), *model));
}

TEST_F(NumberBatchTest, RefusesBatchesThatItCannotFill) {
  const auto source = std::make_shared<NumberSource>(write({2, 0, 4}, {4, 2, 3}), *model);
  const auto refusal = [&](const BatchSpec& spec) {
    return message_of<Error>([&] { NumberBatchMaker(source, spec, {}); });
  };
  EXPECT_THAT(refusal({.tokens = 4, .sequences = 2, .max_length = 3}), HasSubstr("use --length 4"));
  EXPECT_THAT(refusal({.tokens = 8, .sequences = 3, .max_length = 4}), HasSubstr("may not fill 8"));
}

}  // namespace
}  // namespace tidemark
