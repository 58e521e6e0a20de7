// RWKV-7's recurrence on tensor cores: a block has a head of a sequence, a warp 16 of its values, whose rows
// of the state are in its registers.
#pragma once

#include "executor/ops/wkv7_warp_tile.h"

namespace tidemark::ops {

/// The rows of a head's sequence, tile by tile, no tile across a chunk's end.
struct Wkv7Walk {
  int head, begin, end;

  TIDEMARK_DEVICE Wkv7Walk(const DeviceWkv7<Bf16>& s, int64_t index)
      : head(static_cast<int>(index % s.heads)),
        begin(s.cu_seqlens[index / s.heads]),
        end(s.cu_seqlens[index / s.heads + 1]) {}
  /// Rows from `row` on that are one tile; none past the end.
  TIDEMARK_DEVICE int rows(const DeviceWkv7<Bf16>& s, int row) const {
    const int of_chunk = static_cast<int>(s.chunk_rows) - row % static_cast<int>(s.chunk_rows);
    return device::smaller(device::smaller(Wkv7WarpTile::kRows, of_chunk), end - row);
  }
};

/// Of a warp, between tiles: 16 values, all keys.
template <typename Warp>
struct Wkv7State {
  typename Warp::template Lanes<device::Sums> sums[1][Wkv7WarpTile::kColumns / 8];
};

/// The state's entries at `to`, [columns, columns] of which the warp has 16 rows, or from there.
template <bool kStores, typename Warp, typename At>
TIDEMARK_DEVICE_INLINE void move_wkv7_state(Warp& warp, int columns, At* at, Wkv7State<Warp>& state) {
  warp.each_lane([&](int lane) {
    TIDEMARK_UNROLL
    for (int n = 0; n < Wkv7WarpTile::kColumns / 8; ++n) TIDEMARK_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int value = 16 * warp.index() + device::c_row(lane, i), key = 8 * n + device::c_column(lane, i);
      const bool there = value < columns && key < columns;
      float& x = state.sums[0][n][lane].x[i];
      if constexpr (kStores) {
        if (there) at[value * columns + key] = x;
      } else {
        x = there ? at[value * columns + key] : 0.0f;
      }
    }
  });
}

/// U^T of the warp's values, from what it has of the state, which becomes what it has of the tile too.
template <typename Warp>
TIDEMARK_DEVICE_INLINE void solve_wkv7(Warp& warp, const Wkv7WarpTile& tile, Wkv7WarpTile::Square inverse,
                                       Wkv7WarpTile::Sums<Warp> (&along)[1][2],
                                       Wkv7WarpTile::Sums<Warp> (&u)[1][2]) {
  tile.template add_rows<true>(warp, tile.v, tile.ak, along);
  device::clear_sums(warp, u);
  device::add_product<true>(warp, along, inverse, u);
}

/// The state after the tile.
template <typename Warp>
TIDEMARK_DEVICE_INLINE void advance_wkv7(Warp& warp, const Wkv7WarpTile& tile,
                                         const Wkv7WarpTile::Sums<Warp> (&u)[1][2], Wkv7State<Warp>& state) {
  device::add_product(warp, u, tile.of_b, state.sums);
  tile.template add_rows<false>(warp, tile.v, tile.of_k, state.sums);
  warp.each_lane([&](int lane) {
    TIDEMARK_UNROLL
    for (int n = 0; n < Wkv7WarpTile::kColumns / 8; ++n) TIDEMARK_UNROLL
    for (int i = 0; i < 4; ++i) state.sums[0][n][lane].x[i] *= tile.last[8 * n + device::c_column(lane, i)];
  });
}

struct Wkv7ForwardWarps {
  using Tile = Wkv7WarpTile;
  static constexpr int kBlocks = 4;
  static constexpr int kShared = Tile::kBytes + 2 * Tile::kWarps * device::SharedTile<16>::elements(16);

  DeviceWkv7<Bf16> s;
  Bf16* y;
  float* states;

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    const Wkv7Walk walk(s, index);
    const int head = walk.head, columns = static_cast<int>(s.columns);
    auto* const shared = group.template shared<unsigned char>();
    Tile tile(shared);
    const device::SharedTile<16> staged{reinterpret_cast<Bf16*>(shared + Tile::kBytes)};
    typename Group::template Registers<Wkv7State<Warp>, Tile::kWarps> registers;
    int row = walk.begin, rows = walk.rows(s, row);
    if (rows <= 0) return;
    group.template warps<Tile::kWarps>([&](Warp& warp) {
      tile.copy(warp, s, head, row, rows, tile.v);
      device::clear_sums(warp, registers[warp].sums);
    });
    while (rows > 0) {
      const int next = row + rows, next_rows = walk.rows(s, next);
      group.template warps<Tile::kWarps>([&](Warp& warp) { tile.find_norms(warp, s, head); });
      group.template warps<Tile::kWarps>([&](Warp& warp) { tile.make_rows(warp, s, head, rows); });
      group.template warps<Tile::kWarps>([&](Warp& warp) { tile.make_squares(warp); });
      group.template warps<Tile::kWarps>([&](Warp& warp) {
        if (next_rows > 0) tile.copy(warp, s, head, next, next_rows, tile.other);
        const Tile::Square inverse = tile.invert(warp);
        Wkv7State<Warp>& state = registers[warp];
        Tile::Sums<Warp> along[1][2], u[1][2], out[1][2];
        device::clear_sums(warp, along);
        device::clear_sums(warp, out);
        device::add_product<true>(warp, state.sums, tile.of_a, along);
        device::add_product<true>(warp, state.sums, tile.of_r, out);
        solve_wkv7(warp, tile, inverse, along, u);
        device::add_product<true>(warp, u, tile.rb, out);
        tile.template add_rows<true>(warp, tile.v, tile.rk, out);
        advance_wkv7(warp, tile, u, state);
        const int own = 16 * warp.index();
        device::store_transposed(
            warp, device::SharedTile<16>{staged.data + warp.index() * staged.elements(16)}, out[0][0],
            out[0][1], columns - own, [](int, int, float sum) { return sum; },
            [&](int t) { return t < rows ? y + s.at(row + t, head) + own : nullptr; });
        if (next % s.chunk_rows == 0 && next < s.rows)
          move_wkv7_state<true>(warp, columns, states + s.saved(next / s.chunk_rows, head), state);
      });
      const Tile::Rows last_v = tile.v;
      tile.v = tile.other;
      tile.other = last_v;
      row = next;
      rows = next_rows;
    }
  }
};

template <typename Device>
void wkv7_on_tensor_cores(Device& device, const DeviceWkv7<Bf16>& s, Bf16* y, float* states) {
  device.template launch_warps<Wkv7WarpTile::kWarps, Wkv7ForwardWarps::kBlocks>(
      s.sequences * s.heads, Wkv7ForwardWarps::kShared, Wkv7ForwardWarps{s, y, states});
}

}  // namespace tidemark::ops
