// Fragments of tensor cores on the host: their layout against the PTX ISA's, and products against plain
// loops.
#include <gmock/gmock.h>

#include <random>
#include <set>

#include "base/error.h"
#include "executor/device/serial_device.h"

namespace tidemark::device {
namespace {

using Warp = SerialWarp;

// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type", word for word: a0..a7 of A, b0..b3
// of B and c0..c3 of C, where elements 2 r and 2 r + 1 are the halves of register r.
TEST(WarpTile, LaysFragmentsOutAsThePtxIsaDoes) {
  for (int lane = 0; lane < 32; ++lane) {
    const int group_id = lane >> 2, thread_in_group = lane % 4;
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(a_row(lane, i / 2), (0 <= i && i < 2) || (4 <= i && i < 6) ? group_id : group_id + 8);
      EXPECT_EQ(a_k(lane, i / 2, i % 2),
                i < 4 ? thread_in_group * 2 + (i & 1) : thread_in_group * 2 + (i & 1) + 8);
    }
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(b_k(lane, i / 2, i % 2),
                i < 2 ? thread_in_group * 2 + (i & 1) : thread_in_group * 2 + (i & 1) + 8);
      EXPECT_EQ(b_column(lane), group_id);
      EXPECT_EQ(c_row(lane, i), i < 2 ? group_id : group_id + 8);
      EXPECT_EQ(c_column(lane, i), thread_in_group * 2 + (i & 1));
    }
  }
}

/// Numbers that bf16 holds and whose products f32 adds without rounding.
template <int kColumns>
struct Matrix {
  std::vector<Bf16> memory;
  SharedTile<kColumns> tile;

  explicit Matrix(int rows, unsigned seed) : memory(SharedTile<kColumns>::elements(rows) + 8) {
    const auto at = reinterpret_cast<uintptr_t>(memory.data());
    tile.data = memory.data() + (16 - at % 16) % 16 / 2;
    std::mt19937 generator(seed);
    std::uniform_int_distribution<int> number(-8, 8);
    for (int row = 0; row < rows; ++row)
      for (int column = 0; column < kColumns; ++column)
        store(tile.at(row, column), static_cast<float>(number(generator)));
  }
  float operator()(int row, int column) const { return to_float(*tile.at(row, column)); }
};

/// 32 x 48 by 48 x 32, from row and column 16 on.
template <bool kATransposed, bool kBTransposed>
void expect_product() {
  const Matrix<48> a(48, 1), b(48, 2);
  Warp warp(0, false, nullptr);
  Warp::Lanes<Sums> sums[2][4];
  clear_sums(warp, sums);
  add_tiles<48, kATransposed, kBTransposed>(warp, a.tile, 16, b.tile, 16, sums);
  for (int m = 0; m < 2; ++m)
    for (int n = 0; n < 4; ++n)
      for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 4; ++i) {
          const int row = 16 + 16 * m + c_row(lane, i), column = 16 + 8 * n + c_column(lane, i);
          float expected = 0;
          for (int k = 0; k < 48; ++k)
            expected += (kATransposed ? a(k, row) : a(row, k)) * (kBTransposed ? b(column, k) : b(k, column));
          EXPECT_EQ(sums[m][n][static_cast<size_t>(lane)].x[i], expected);
        }
}

TEST(WarpTile, MultipliesTilesEitherWayRound) {
  expect_product<false, false>();
  expect_product<false, true>();
  expect_product<true, false>();
  expect_product<true, true>();
}

TEST(WarpTile, MultipliesWhatProductsLeaveInRegisters) {
  const Matrix<48> b(32, 3);
  Warp warp(0, true, nullptr);
  Warp::Lanes<Sums> x[2][4], sums[2][6];
  const auto of_x = [](int row, int k) { return static_cast<float>((row * 7 + k * 3) % 17 - 8); };
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i)
      for (int m = 0; m < 2; ++m) {
        for (int n = 0; n < 4; ++n)
          x[m][n][static_cast<size_t>(lane)].x[i] = of_x(16 * m + c_row(lane, i), 8 * n + c_column(lane, i));
        for (int n = 0; n < 6; ++n) sums[m][n][static_cast<size_t>(lane)].x[i] = 1;
      }
  add_product(warp, x, b.tile, sums);
  for (int m = 0; m < 2; ++m)
    for (int n = 0; n < 6; ++n)
      for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 4; ++i) {
          float expected = 1;
          for (int k = 0; k < 32; ++k)
            expected += of_x(16 * m + c_row(lane, i), k) * b(k, 8 * n + c_column(lane, i));
          EXPECT_EQ(sums[m][n][static_cast<size_t>(lane)].x[i], expected);
        }
}

TEST(WarpTile, CombinesTheLanesOfARow) {
  Warp warp(0, false, nullptr);
  Warp::Lanes<RowPair> rows;
  for (size_t lane = 0; lane < 32; ++lane) rows[lane] = {static_cast<float>(lane), 1.0f};
  warp.each_quad(rows, [](float x, float y) { return x + y; });
  for (size_t lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(rows[lane].x[0], static_cast<float>(lane / 4 * 16 + 6));
    EXPECT_EQ(rows[lane].x[1], 4);
  }
}

template <int kColumns>
void expect_banks_apart() {
  const Matrix<kColumns> a(16, 4);
  Warp warp(0, false, nullptr);
  Warp::Lanes<Pairs> x;
  for (int column = 0; column < kColumns; column += 16) {
    EXPECT_NO_THROW(load_a<false>(warp, a.tile, 0, column, x));
    EXPECT_NO_THROW(load_a<true>(warp, a.tile, column, 0, x));
    EXPECT_NO_THROW(load_b<false>(warp, a.tile, 0, column, x));
    EXPECT_NO_THROW(load_b<true>(warp, a.tile, column, 0, x));
  }
}

TEST(WarpTile, RowsThatAreReadAtOnceLieInDifferentBanks) {
  expect_banks_apart<64>();
  expect_banks_apart<96>();
  expect_banks_apart<128>();
  expect_banks_apart<192>();
  expect_banks_apart<256>();
  // As they would not without the chunk between rows.
  alignas(16) static const Bf16 memory[16 * 64] = {};
  Warp warp(0, false, nullptr);
  Warp::Lanes<Pairs> x;
  EXPECT_THROW(warp.load<false>(x, [&](int lane) { return memory + lane % 16 * 64 + lane / 16 * 8; }),
               InternalError);
}

// A kernel that reads a copy in the phase that began it would pass only if copies landed at once.
TEST(WarpTile, CopiesLandAtTheEndOfTheirPhase) {
  for (bool backwards : {false, true}) {
    alignas(16) std::byte shared[32];
    std::memset(shared, 0xff, sizeof shared);
    SerialGroup group(shared, backwards);
    Chunk from{};
    from.x[0].bits = 7;
    auto* const to = reinterpret_cast<Chunk*>(group.shared<Chunk>());
    uint16_t during = 0;
    group.warps<1>([&](Warp& warp) {
      warp.copy(to, &from, true);
      warp.copy(to + 1, &from, false);
      during = to->x[0].bits;
    });
    EXPECT_EQ(during, backwards ? 7 : 0xffff);
    EXPECT_EQ(to[0].x[0].bits, 7);
    EXPECT_EQ(to[1].x[0].bits, 0);
  }
}

}  // namespace
}  // namespace tidemark::device
