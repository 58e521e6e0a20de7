// The scan of outer_scan_device.h on tensor cores, where a row has one decay: the chunkwise form of retention
// (Sun et al. 2023) and of Mamba-2 (Dao & Gu 2024). Of a tile's rows, what each takes of the others is a
// product with their decayed scores, and what it takes of earlier tiles one with the state.
//
// A block has some columns of a state, a warp 16 of them, transposed, in registers: nothing but scores passes
// between warps.
#pragma once

#include "base/divided.h"
#include "executor/device/shared_memory.h"
#include "executor/device/warp_tile.h"
#include "executor/ops/device_operands.h"
#include "graph/cuda_scan_workspace.h"

namespace tidemark::ops {

/// An operand of bf16, of heads (or groups of them) that lie side by side.
struct HeadOperand {
  const Bf16* data = nullptr;
  int stride = 0, first = 0, per_head = 0;
  int group = 1;    ///< heads that share columns
  int columns = 0;  ///< of a head, that are read

  TIDEMARK_HOST_DEVICE const Bf16* at(int64_t row, int head) const {
    return data + row * stride + (first + head / group * per_head);
  }
};

/// A number of each row and head: a common one, times its own where there is one.
struct RowFactor {
  const float* of = nullptr;  ///< [rows, heads]
  float common = 1;

  TIDEMARK_HOST_DEVICE float operator()(int64_t row, int heads, int head) const {
    return of ? common * of[row * heads + head] : common;
  }
};

/// Per head: state' = decay state + into left right^T, of which a row has out_of state^T query + keeps right.
struct OuterProducts {
  int sequences = 0, heads = 0, rows = 0, chunk_rows = 0;
  const int32_t* cu_seqlens = nullptr;
  HeadOperand query;  ///< no data: no output
  HeadOperand left;   ///< as many columns as query
  HeadOperand right;  ///< no data: a column of ones
  RowFactor into, out_of;
  const float* keeps = nullptr;       ///< [heads], or nothing is kept
  const float* exponents = nullptr;   ///< [rows, heads]: log2 of the decays into this row and into those
                                      ///< before it, of its sequence and chunk
  const float* log_decays = nullptr;  ///< [heads], to base 2, where there are no exponents
  Bf16* out = nullptr;                ///< where right's head is, or
  float* sums = nullptr;              ///< the same in f32
  int out_stride = 0;
  bool adds = false;        ///< to sums
  float* states = nullptr;  ///< [chunks, heads, left, state_columns]: before chunks, or going back after them
  int state_columns = 0, first_state_column = 0;
};

template <int kLeft_, bool kReverse, bool kSmall>
struct OuterWarps {
  static constexpr int kLeft = kLeft_, kRows = kLeft <= 128 && !kSmall ? 64 : 32, kColumns = 64;
  static constexpr int kWarps = kColumns / 16, kBlocks = 2;
  static constexpr int kOfWarp = kRows / kWarps;                     ///< rows
  static constexpr int kScoresAcross = kRows * kRows / 16 / kWarps;  ///< columns of a warp's scores
  using Lefts = device::SharedTile<kLeft>;
  using Rights = device::SharedTile<kColumns>;
  using Scores = device::SharedTile<kRows>;
  /// Of a tile: its operands; per row an exponent, and what goes into the state and out of it; the tile's
  /// exponent.
  static constexpr int kHalf =
      2 * (2 * Lefts::elements(kRows) + Rights::elements(kRows)) + 4 * (3 * kRows + 4);
  static constexpr int kShared = 2 * kHalf + 2 * Scores::elements(kRows);

  OuterProducts s;
  int slices;

  /// Of a row.
  struct Factors {
    float exponent, into, out_of, total;
  };
  template <typename Warp>
  struct State {
    typename Warp::template Lanes<device::Sums> state[1][kLeft / 8];  ///< [right, left]
    typename Warp::template Lanes<device::Sums> out[1][kRows / 8];    ///< [right, row]
  };
  struct Half {
    Lefts query, left;
    Rights right;
    float *exponent, *into, *out_of, *total;

    TIDEMARK_DEVICE Half(unsigned char* shared, int half) {
      query.data = reinterpret_cast<Bf16*>(shared + half * kHalf);
      left.data = query.data + Lefts::elements(kRows);
      right.data = left.data + Lefts::elements(kRows);
      exponent = reinterpret_cast<float*>(right.data + Rights::elements(kRows));
      into = exponent + kRows;
      out_of = into + kRows;
      total = out_of + kRows;
    }
  };
  /// Rows of a sequence and a chunk. Going back, the last is a tile's first.
  struct Tile {
    int begin = 0, end = 0;
    bool follows = false;  ///< a row of its sequence and chunk

    TIDEMARK_HOST_DEVICE int rows() const { return end - begin; }
    TIDEMARK_HOST_DEVICE int row(int i) const { return kReverse ? end - 1 - i : begin + i; }
  };
  struct Block {
    int head, begin, end, column, columns;
  };

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    const Block block = block_of(static_cast<int>(index));
    if (block.begin == block.end) return;
    auto* const shared = group.template shared<unsigned char>();
    const Scores scores{reinterpret_cast<Bf16*>(shared + 2 * kHalf)};
    typename Group::template Registers<State<Warp>, kWarps> registers;
    Tile tile = tile_at(block, kReverse ? block.end - 1 : block.begin);
    group.template warps<kWarps>([&](Warp& warp) {
      typename Warp::template Lanes<Factors> factors;
      copy(warp, block, tile, Half(shared, 0));
      read_factors(warp, block, tile, factors);
      write_factors(warp, factors, Half(shared, 0));
      if (!s.right.data)
        for (int half = 0; half < 2; ++half) fill_ones(warp, Half(shared, half).right);
      device::clear_sums(warp, registers[warp].state);
    });
    for (int half = 0; tile.rows() > 0; half = 1 - half) {
      const Tile next = next_of(block, tile);
      if (s.query.data)
        group.template warps<kWarps>([&](Warp& warp) { make_scores(warp, Half(shared, half), scores); });
      group.template warps<kWarps>([&](Warp& warp) {
        typename Warp::template Lanes<Factors> factors;
        if (next.rows() > 0) {
          copy(warp, block, next, Half(shared, 1 - half));
          read_factors(warp, block, next, factors);
        }
        if (16 * warp.index() < block.columns) {
          const Half of(shared, half);
          State<Warp>& state = registers[warp];
          if (s.query.data) begin_outputs(warp, of, state);
          advance(warp, of, scores, state);
          if (s.query.data) store_outputs(warp, block, tile, of, state);
          if (s.states) save_state(warp, block, tile, state);
        }
        if (next.rows() > 0) write_factors(warp, factors, Half(shared, 1 - half));
      });
      tile = next;
    }
  }

 private:
  TIDEMARK_DEVICE Block block_of(int index) const {
    const int sequence = index / slices / s.heads, column = index % slices * kColumns;
    const int columns = s.right.data ? s.right.columns : 1;
    return {index / slices % s.heads, s.cu_seqlens[sequence], s.cu_seqlens[sequence + 1], column,
            device::smaller(kColumns, columns - column)};
  }
  /// The tile that has the row: tiles begin with a sequence's rows of a chunk.
  TIDEMARK_DEVICE Tile tile_at(const Block& block, int row) const {
    const int chunk = row / s.chunk_rows * s.chunk_rows, first = device::larger(block.begin, chunk);
    Tile tile;
    tile.begin = first + (row - first) / kRows * kRows;
    tile.end = device::smaller(device::smaller(tile.begin + kRows, chunk + s.chunk_rows), block.end);
    tile.follows = tile.begin > first;
    return tile;
  }
  TIDEMARK_DEVICE Tile next_of(const Block& block, const Tile& tile) const {
    if (kReverse) return tile.begin > block.begin ? tile_at(block, tile.begin - 1) : Tile{};
    return tile.end < block.end ? tile_at(block, tile.end) : Tile{};
  }

  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void copy(Warp& warp, const Block& block, const Tile& tile, const Half& to) const {
    const auto rows_of = [&](const HeadOperand& x, int column, auto target) {
      device::copy_each_row<kWarps, kRows>(
          warp, [&](int i) { return i < tile.rows() ? x.at(tile.row(i), block.head) + column : nullptr; },
          x.columns - column, target);
    };
    if (s.query.data) rows_of(s.query, 0, to.query);
    rows_of(s.left, 0, to.left);
    if (s.right.data) rows_of(s.right, block.column, to.right);
  }
  /// Exponents become sums from the tile's first row on, as it is walked. A warp has some of the rows.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void read_factors(Warp& warp, const Block& block, const Tile& tile,
                                           typename Warp::template Lanes<Factors>& to) const {
    const int head = block.head, heads = s.heads;
    warp.each_lane([&](int lane) {
      const int i = warp.index() * kOfWarp + lane % kOfWarp;
      // Rows that are not there are as the last.
      const int row = tile.row(device::smaller(i, tile.rows() - 1));
      Factors& of = to[lane];
      if (s.exponents) {
        const auto at = [&](int other) { return s.exponents[int64_t{other} * heads + head]; };
        const float before = tile.follows ? at(tile.begin - 1) : 0.0f;
        of.exponent = at(row) - before;
        of.total = at(tile.end - 1) - before;
      } else {
        const float step = s.log_decays[head];
        of.exponent = step * static_cast<float>(row - tile.begin + 1);
        of.total = step * static_cast<float>(tile.rows());
      }
      if (kReverse) of.exponent = of.total - of.exponent;
      of.into = i < tile.rows() ? s.into(row, heads, head) : 0.0f;
      of.out_of = s.out_of(row, heads, head);
    });
  }
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void write_factors(Warp& warp,
                                                   const typename Warp::template Lanes<Factors>& from,
                                                   const Half& to) {
    warp.each_lane([&](int lane) {
      if (lane >= kOfWarp) return;
      const int i = warp.index() * kOfWarp + lane;
      to.exponent[i] = from[lane].exponent;
      to.into[i] = from[lane].into;
      to.out_of[i] = from[lane].out_of;
      if (i == 0) *to.total = from[lane].total;
    });
  }
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void fill_ones(Warp& warp, Rights right) {
    warp.each_lane([&](int lane) {
      for (int i = warp.index() * device::kWarpLanes + lane; i < Rights::elements(kRows);
           i += kWarps * device::kWarpLanes)
        device::store(right.data + i, i % Rights::kLd == 0 ? 1.0f : 0.0f);
    });
  }

  /// What each row takes of every other one of the tile.
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void make_scores(Warp& warp, const Half& of, Scores to) {
    constexpr int kDownWarps = kRows / 16;
    const int row = warp.index() % kDownWarps * 16, column = warp.index() / kDownWarps * kScoresAcross;
    typename Warp::template Lanes<device::Sums> scores[1][kScoresAcross / 8];
    device::clear_sums(warp, scores);
    device::add_tiles<kLeft, false, true>(warp, of.query, row, of.left, column, scores);
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int t = row + device::c_row(lane, 2 * half);
        const float exponent = of.exponent[t];
        TIDEMARK_UNROLL
        for (int n = 0; n < kScoresAcross / 8; ++n) {
          const int first = column + 8 * n + device::c_column(lane, 0);
          const auto decayed = [&](int i) {
            return first + i > t ? 0.0f
                                 : scores[0][n][lane].x[2 * half + i] * of.into[first + i] *
                                       device::fast_exp2(exponent - of.exponent[first + i]);
          };
          Warp::store(to.at(t, first), decayed(0), decayed(1));
        }
      }
    });
  }

  /// What rows take of the tiles before this one.
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void begin_outputs(Warp& warp, const Half& of, State<Warp>& state) {
    device::clear_sums(warp, state.out);
    device::add_product<true>(warp, state.state, of.query, state.out);
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int n = 0; n < kRows / 8; ++n) TIDEMARK_UNROLL
      for (int i = 0; i < 2; ++i) {
        const float decay = device::fast_exp2(of.exponent[8 * n + device::c_column(lane, i)]);
        state.out[0][n][lane].x[i] *= decay;
        state.out[0][n][lane].x[2 + i] *= decay;
      }
    });
  }

  /// What they take of each other, and the state after the tile.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void advance(Warp& warp, const Half& of, Scores scores, State<Warp>& state) const {
    const float total = *of.total;
    warp.each_lane([&](int lane) {
      const float carried = device::fast_exp2(total);
      TIDEMARK_UNROLL
      for (int n = 0; n < kLeft / 8; ++n) TIDEMARK_UNROLL
      for (int i = 0; i < 4; ++i) state.state[0][n][lane].x[i] *= carried;
    });
    TIDEMARK_UNROLL
    for (int k = 0; k < kRows; k += 16) {
      typename Warp::template Lanes<device::Pairs> right, other;
      device::load_a<true>(warp, of.right, 16 * warp.index(), k, right);
      if (s.query.data) {
        // Later rows take of these; earlier ones do not.
        TIDEMARK_UNROLL
        for (int n = k / 8; n < kRows / 8; n += 2) {
          device::load_b<true>(warp, scores, k, 8 * n, other);
          warp.template multiply<0>(right, other, state.out[0][n]);
          warp.template multiply<1>(right, other, state.out[0][n + 1]);
        }
      }
      device::scale_a(warp, right, [&](int, int at) {
        return of.into[k + at] * device::fast_exp2(total - of.exponent[k + at]);
      });
      TIDEMARK_UNROLL
      for (int n = 0; n < kLeft / 8; n += 2) {
        device::load_b<false>(warp, of.left, k, 8 * n, other);
        warp.template multiply<0>(right, other, state.state[0][n]);
        warp.template multiply<1>(right, other, state.state[0][n + 1]);
      }
    }
  }

  /// 16 rows at a time, as they are or in bf16, by way of where right's are, which the warp alone reads.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void store_outputs(Warp& warp, const Block& block, const Tile& tile, const Half& of,
                                            const State<Warp>& state) const {
    const int own = 16 * warp.index(), columns = block.columns - own;
    const float keeps = s.keeps ? s.keeps[block.head] : 0.0f;
    const int64_t first = int64_t{block.head} * (s.right.data ? s.right.columns : 1) + block.column + own;
    TIDEMARK_UNROLL
    for (int n = 0; n < kRows / 8; n += 2) {
      const auto value = [&](int row, int column, float sum) {
        const int t = 8 * n + row;
        const float kept = keeps != 0.0f ? keeps * device::to_float(*of.right.at(t, own + column)) : 0.0f;
        return fmaf(of.out_of[t], sum, kept);
      };
      const auto is_there = [&](int row) { return 8 * n + row < tile.rows(); };
      const auto at = [&](int row) { return int64_t{tile.row(8 * n + row)} * s.out_stride + first; };
      if (!s.sums) {
        device::store_transposed(warp, Rights{of.right.at(8 * n, own)}, state.out[0][n], state.out[0][n + 1],
                                 columns, value,
                                 [&](int row) { return is_there(row) ? s.out + at(row) : nullptr; });
        continue;
      }
      warp.each_lane([&](int lane) {
        TIDEMARK_UNROLL
        for (int part = 0; part < 2; ++part) TIDEMARK_UNROLL
        for (int i = 0; i < 4; ++i) {
          const int row = 8 * part + device::c_column(lane, i), column = device::c_row(lane, i);
          if (!is_there(row) || column >= columns) continue;
          const float x = value(row, column, state.out[0][n + part][lane].x[i]);
          float* const to = s.sums + at(row) + column;
          *to = s.adds ? *to + x : x;
        }
      });
    }
  }

  /// Where a chunk ends with the tile, but for the last row, or going back begins with it.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void save_state(Warp& warp, const Block& block, const Tile& tile,
                                         const State<Warp>& state) const {
    const int row = kReverse ? tile.begin : tile.end;
    if (row % s.chunk_rows != 0 || row == (kReverse ? 0 : s.rows)) return;
    const int64_t chunk = row / s.chunk_rows - (kReverse ? 1 : 0);
    float* const to = s.states + (chunk * s.heads + block.head) * s.left.columns * s.state_columns +
                      s.first_state_column + block.column;
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int n = 0; n < kLeft / 8; ++n) TIDEMARK_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int j = 16 * warp.index() + device::c_row(lane, i), left = 8 * n + device::c_column(lane, i);
        if (j < block.columns && left < s.left.columns)
          to[int64_t{left} * s.state_columns + j] = state.state[0][n][lane].x[i];
      }
    });
  }
};

template <bool kReverse, typename Device>
void outer_products(Device& device, const OuterProducts& s) {
  const auto run = [&](auto of_left) {
    constexpr int kLeft = decltype(of_left)::value;
    using Large = OuterWarps<kLeft, kReverse, false>;
    using Small = OuterWarps<kLeft, kReverse, kLeft <= 128>;
    device::with_room<Large, Small>(device, [&](auto chosen) {
      typename decltype(chosen)::type kernel;
      using Kernel = decltype(kernel);
      kernel.s = s;
      kernel.slices = static_cast<int>(divided(s.right.data ? s.right.columns : 1, Kernel::kColumns));
      device.template launch_warps<Kernel::kWarps, Kernel::kBlocks>(
          int64_t{s.sequences} * s.heads * kernel.slices, Kernel::kShared, kernel);
    });
  };
  if (s.left.columns <= 64) return run(std::integral_constant<int, 64>{});
  if (s.left.columns <= 128) return run(std::integral_constant<int, 128>{});
  run(std::integral_constant<int, cuda::kMostLeft>{});
}

}  // namespace tidemark::ops
