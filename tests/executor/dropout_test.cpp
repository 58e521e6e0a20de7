// Dropout's random numbers against Philox's published answers and an independent scalar version.
#include <gtest/gtest.h>

#include <cmath>

#include "executor/ops/pointwise.h"
#include "tests/executor/op_case.h"
#include "tests/executor/philox.h"

namespace tidemark::test {
namespace {

// The known answers that accompany Random123 (kat_vectors, philox 4x32, 10 rounds).
TEST(PhiloxTest, KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, VectorCodeGivesTheSameWords) {
  const uint32_t key[2] = {0xa4093822, 0x299f31d0};
  const uint64_t counter = 0x85a308d3'fffffffaull,
                 site = 0x03707344'13198a2eull;  // carries into the upper half
  uint32_t words[4 * ops::kPhiloxBatch];
  const auto compare = [&] {
    for (uint64_t i = 0; i < ops::kPhiloxBatch; ++i) {
      const uint64_t c = counter + i;
      const Block block = philox({static_cast<uint32_t>(c), static_cast<uint32_t>(c >> 32),
                                  static_cast<uint32_t>(site), static_cast<uint32_t>(site >> 32)},
                                 {key[0], key[1]});
      for (size_t j = 0; j < 4; ++j) EXPECT_EQ(words[4 * i + j], block[j]) << i << ", " << j;
    }
  };
  ops::avx2::philox(key, counter, site, words);
  compare();
  if (!cpu::isa_available(cpu::Isa::avx512)) return;
  ops::avx512::philox(key, counter, site, words);
  compare();
}

TEST(DropoutTest, KeepsWhatItsCountersSay) {
  for (DType dtype : {DType::f32, DType::bf16})
    for (double probability : {0.0, 0.1, 0.75}) {
      OpCase op("dropout", {{"probability", probability}, {"site", int64_t{3}}}, dtype);
      op.random({123, 457}).ints({-5, 77, 0});
      Values expected;
      for (size_t e = 0; e < op.inputs()[0].size(); ++e) {
        const Block words = philox({static_cast<uint32_t>(e / 4), 0, 3, 0}, {static_cast<uint32_t>(-5), 77});
        const bool kept = words[e % 4] >= probability * 0x1p32;
        expected.push_back(kept ? op.inputs()[0][e] / (1 - probability) : 0);
      }
      op.check({expected});
    }
}

TEST(DropoutTest, TheThirdWordOfTheSeedSwitchesItOff) {
  for (DType dtype : {DType::f32, DType::bf16}) {
    OpCase op("dropout", {{"probability", 0.75}, {"site", int64_t{3}}}, dtype);
    op.random({123, 457}).ints({-5, 77, 1});
    op.check({op.inputs()[0]});
  }
}

TEST(DropoutTest, DropsItsShare) {
  const int64_t n = 100000;
  OpCase op("dropout", {{"probability", 0.3}, {"site", int64_t{0}}});
  op.floats({n}, Values(static_cast<size_t>(n), 1.0)).ints({1, 2, 0});
  int64_t dropped = 0;
  const Values kept = op.run({})[0];
  for (double y : kept) dropped += y == 0;
  EXPECT_NEAR(static_cast<double>(dropped), 0.3 * static_cast<double>(n),
              5 * std::sqrt(0.21 * static_cast<double>(n)));
}

}  // namespace
}  // namespace tidemark::test
