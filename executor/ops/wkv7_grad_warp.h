// The gradient of RWKV-7's recurrence on tensor cores: chunk by chunk from the last. The states before a
// chunk's tiles are made again from the saved one; a tile's gradients are products among its rows and with
// the state before it and the gradient of the one after it.
//
// With G that gradient times P(last), dU = B G^T + lower(R B^T)^T dy, and with D = inverse^T dU and the lower
// triangles of D U^T, D V^T, dy U^T and dy V^T, which are the gradients of the squares:
//   dA = D S + (D U^T) B + (D V^T) K,        dR = dy S + (dy U^T) B + (dy V^T) K,
//   dB = U G + (D U^T)^T A + (dy U^T)^T R,   dK = V G + (D V^T)^T A + (dy V^T)^T R,
//   dV = K G^T + lower(R K^T)^T dy + lower(A K^T)^T D, and before the tile G + dy^T R + D^T A.
// Of two rows, what the decays between them receive is in the one's numbers and, less, in the other's; both
// come from the same products, so that what does not lie between cancels.
#pragma once

#include <type_traits>

#include "executor/device/shared_memory.h"
#include "executor/ops/wkv7_grad_device_rows.h"
#include "executor/ops/wkv7_warp.h"

namespace tidemark::ops {

/// kSmall: the state before a chunk's first tile, which is saved, comes from memory again when its time has
/// come, to where the next tile's was.
template <bool kSmall>
struct Wkv7GradWarps {
  using Tile = Wkv7WarpTile;
  using Rows = Tile::Rows;
  using Square = Tile::Square;
  static constexpr int kWarps = Tile::kWarps, kBlocks = 2, kRows = Tile::kRows, kColumns = Tile::kColumns;
  /// A chunk's rows are at most 64 (graph/ops/rwkv7.cpp), in tiles of 16.
  static constexpr int kTiles = 4, kStates = kSmall ? kTiles - 1 : kTiles;
  static constexpr int kFloatLd = kColumns + 1;  ///< of rows in f32
  static constexpr int kFloatRows = kRows * kFloatLd;
  /// Sums of a warp's lanes over its values: 8 for each key.
  static constexpr int kPartial = kWarps * 8 * kColumns;
  static_assert(kPartial <= 5 * kFloatRows);
  static constexpr int kShared = Tile::kBytes +
                                 2 * ((kStates + 1) * Rows::elements(kColumns) + 2 * Rows::elements(kRows) +
                                      4 * Square::elements(kRows)) +
                                 4 * (5 * kFloatRows + 5 * kColumns + kRows);

  DeviceWkv7Grad<Bf16> g;

  struct Shared {
    Tile tile;
    Rows before;                       ///< the states before a chunk's tiles, [values, keys]
    Rows gradient;                     ///< G
    Rows u, d;                         ///< U and D
    Square du, dv;                     ///< D U^T and D V^T,
    Square yu, yv;                     ///< dy U^T and dy V^T
    float *of_a, *of_r, *of_b, *of_k;  ///< [kRows, kFloatLd]: gradients, first those of A, R, B and K
    float* of_log;                     ///< and of a decay's logarithm
    float* through;                    ///< [kColumns]: what all of the tile's decays receive
    float *sum_k_k, *sum_k_a;          ///< [2, kColumns]
    float* dots;                       ///< [kRows]

    TIDEMARK_DEVICE explicit Shared(unsigned char* shared) : tile(shared) {
      auto* at = reinterpret_cast<Bf16*>(shared + Tile::kBytes);
      const auto take = [&at](int elements) {
        Bf16* const taken = at;
        at += elements;
        return taken;
      };
      before.data = take(kStates * Rows::elements(kColumns));
      gradient.data = take(Rows::elements(kColumns));
      u.data = take(Rows::elements(kRows));
      d.data = take(Rows::elements(kRows));
      Square* const squares[] = {&du, &dv, &yu, &yv};
      TIDEMARK_UNROLL
      for (Square* of : squares) of->data = take(Square::elements(kRows));
      of_a = reinterpret_cast<float*>(at);
      of_r = of_a + kFloatRows;
      of_b = of_r + kFloatRows;
      of_k = of_b + kFloatRows;
      of_log = of_k + kFloatRows;
      through = of_log + kFloatRows;
      sum_k_k = through + kColumns;
      sum_k_a = sum_k_k + 2 * kColumns;
      dots = sum_k_a + 2 * kColumns;
    }
    TIDEMARK_DEVICE Rows before_of(int index) const {
      const int at = kSmall && index > 0 ? index - 1 : index;
      return {before.data + at * Rows::elements(kColumns)};
    }
  };
  template <typename Warp>
  struct State {
    Wkv7State<Warp> state;     ///< on its way forward through a chunk
    Wkv7State<Warp> gradient;  ///< of the state after the rows to come
    /// [rows, 16 of the keys]: gradients of A, R, B and K.
    Tile::Sums<Warp> of_a[1][2], of_r[1][2], of_b[1][2], of_k[1][2];
  };

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    const DeviceWkv7<Bf16>& s = g.s;
    const Wkv7Walk walk(s, index);
    const int head = walk.head, columns = static_cast<int>(s.columns);
    const Shared shared(group.template shared<unsigned char>());
    const Tile& tile = shared.tile;
    typename Group::template Registers<State<Warp>, kWarps> registers;
    group.template warps<kWarps>([&](Warp& warp) {
      device::clear_sums(warp, registers[warp].gradient.sums);
      Tile::each_share(warp, [&](int column, int begin, int) {
        const int at = (begin > 0 ? kColumns : 0) + column;
        shared.sum_k_k[at] = shared.sum_k_a[at] = 0;
      });
    });
    const auto begin_tile = [&](int row, int rows, bool reads_dy) {
      group.template warps<kWarps>([&](Warp& warp) {
        tile.copy(warp, s, head, row, rows, tile.v);
        if (reads_dy) Tile::copy_rows(warp, s, g.dy, head, row, rows, tile.other);
      });
      group.template warps<kWarps>([&](Warp& warp) { tile.find_norms(warp, s, head); });
      group.template warps<kWarps>([&](Warp& warp) { tile.make_rows(warp, s, head, rows); });
      group.template warps<kWarps>([&](Warp& warp) { tile.make_squares(warp); });
    };
    const int chunk_rows = static_cast<int>(s.chunk_rows);
    for (int chunk_end = walk.end; chunk_end > walk.begin;) {
      const int chunk = (chunk_end - 1) / chunk_rows;
      const int begin = device::larger(walk.begin, chunk * chunk_rows);
      const int tiles = (chunk_end - begin + kRows - 1) / kRows;
      const auto load_state = [&](Warp& warp) {
        Wkv7State<Warp>& state = registers[warp].state;
        if (begin > walk.begin)
          move_wkv7_state<false>(warp, columns, g.states + s.saved(chunk, head), state);
        else
          device::clear_sums(warp, state.sums);
      };
      group.template warps<kWarps>([&](Warp& warp) {
        load_state(warp);
        if constexpr (!kSmall) store_values(warp, registers[warp].state, shared.before_of(0));
      });
      for (int i = 0; i + 1 < tiles; ++i) {
        begin_tile(begin + i * kRows, kRows, false);
        group.template warps<kWarps>([&](Warp& warp) {
          Wkv7State<Warp>& state = registers[warp].state;
          Tile::Sums<Warp> along[1][2], u[1][2];
          device::clear_sums(warp, along);
          device::add_product<true>(warp, state.sums, tile.of_a, along);
          solve_wkv7(warp, tile, tile.invert(warp), along, u);
          advance_wkv7(warp, tile, u, state);
          store_values(warp, state, shared.before_of(i + 1));
        });
      }
      for (int i = tiles; i-- > 0;) {
        const int row = begin + i * kRows, rows = device::smaller(kRows, chunk_end - row);
        const Rows before = shared.before_of(i);
        if (kSmall && i == 0)
          group.template warps<kWarps>([&](Warp& warp) {
            load_state(warp);
            store_values(warp, registers[warp].state, before);
          });
        begin_tile(row, rows, true);
        group.template warps<kWarps>(
            [&](Warp& warp) { reverse(warp, shared, before, head, row, rows, registers[warp].gradient); });
        group.template warps<kWarps>([&](Warp& warp) {
          add_through(warp, shared);
          make_square_gradients(warp, shared);
          begin_row_gradients(warp, shared, before, registers[warp]);
        });
        group.template warps<kWarps>([&](Warp& warp) {
          finish_row_gradients(warp, shared, registers[warp]);
          warp.sync();
          undo_decays(warp, shared);
        });
        group.template warps<kWarps>([&](Warp& warp) {
          Tile::sum_rows(
              warp, columns,
              [&](int t, int column) {
                const float rate = device::sigmoid(device::to_float(*tile.a.at(t, column)));
                return ddirection(shared, t, column, rate) * minus_direction(shared, head, t, column);
              },
              shared.dots);
        });
        group.template warps<kWarps>([&](Warp& warp) { store(warp, shared, head, row, rows); });
      }
      chunk_end = begin;
    }
    group.each(columns, [&](int64_t i) {
      g.of_k_k[index * columns + i] = shared.sum_k_k[i] + shared.sum_k_k[kColumns + i];
      g.of_k_a[index * columns + i] = shared.sum_k_a[i] + shared.sum_k_a[kColumns + i];
    });
  }

 private:
  /// A warp's rows of a state, rounded.
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void store_values(Warp& warp, const Wkv7State<Warp>& state, Rows to) {
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int n = 0; n < kColumns / 8; ++n) TIDEMARK_UNROLL
      for (int i = 0; i < 4; i += 2)
        Warp::store(to.at(16 * warp.index() + device::c_row(lane, i), 8 * n + device::c_column(lane, i)),
                    state.sums[0][n][lane].x[i], state.sums[0][n][lane].x[i + 1]);
    });
  }
  /// What stands transposed, [the warp's columns, rows], rounded.
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void store_rows(Warp& warp, const Tile::Sums<Warp> (&sums)[1][2], Rows to) {
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int n = 0; n < 2; ++n) TIDEMARK_UNROLL
      for (int i = 0; i < 4; ++i)
        device::store(to.at(8 * n + device::c_column(lane, i), 16 * warp.index() + device::c_row(lane, i)),
                      sums[0][n][lane].x[i]);
    });
  }

  /// For the warp's values: U, D, dV, and back over the tile.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void reverse(Warp& warp, const Shared& shared, Rows before, int head, int row,
                                      int rows, Wkv7State<Warp>& gradient) const {
    const Tile& tile = shared.tile;
    const int own = 16 * warp.index();
    Tile::Sums<Warp> sums[1][2], of_values[1][2];
    device::clear_sums(warp, sums);
    device::add_tiles<kColumns, false, true>(warp, before, own, tile.of_a, 0, sums);
    const Square inverse = tile.invert(warp);
    solve_wkv7(warp, tile, inverse, sums, of_values);
    store_rows(warp, of_values, shared.u);

    float* const partial = shared.of_a;  // its time comes later
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int n = 0; n < kColumns / 8; ++n) TIDEMARK_UNROLL
      for (int i = 0; i < 2; ++i) {
        const int key = 8 * n + device::c_column(lane, i);
        float through = 0;
        TIDEMARK_UNROLL
        for (int half = 0; half < 2; ++half) {
          float& x = gradient.sums[0][n][lane].x[2 * half + i];
          x *= tile.last[key];
          through = fmaf(x, device::to_float(*before.at(own + device::c_row(lane, 2 * half), key)), through);
        }
        partial[(warp.index() * 8 + lane / 4) * kColumns + key] = through;
      }
    });
    store_values(warp, gradient, shared.gradient);

    device::clear_sums(warp, sums);
    device::add_product<true>(warp, gradient.sums, tile.of_b, sums);
    tile.template add_rows<false>(warp, tile.other, tile.rb, sums);
    Tile::Sums<Warp> of_along[1][2];
    device::clear_sums(warp, of_along);
    device::add_product(warp, sums, inverse, of_along);
    store_rows(warp, of_along, shared.d);

    device::clear_sums(warp, of_values);
    device::add_product<true>(warp, gradient.sums, tile.of_k, of_values);
    tile.template add_rows<false>(warp, tile.other, tile.rk, of_values);
    device::add_product(warp, of_along, tile.ak, of_values);
    const int64_t at = g.s.at(row, head) + own, stride = g.s.heads * g.s.columns;
    const int columns = static_cast<int>(g.s.columns) - own;
    device::store_transposed(
        warp, inverse, of_values[0][0], of_values[0][1], columns,
        [&](int t, int column, float sum) {
          const bool there = t < rows && column < columns;
          return there ? plus_so_far(g.dv_acc, at + t * stride + column, sum) : 0.0f;
        },
        [&](int t) { return t < rows ? g.dv + at + t * stride : nullptr; });

    tile.template add_rows<false>(warp, tile.other, tile.of_r, gradient.sums);
    device::add_product(warp, of_along, tile.of_a, gradient.sums);
  }

  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void add_through(Warp& warp, const Shared& shared) {
    Tile::each_share(warp, [&](int column, int begin, int) {
      if (begin > 0) return;
      float sum = 0;
      for (int i = 0; i < kWarps * 8; ++i) sum += shared.of_a[i * kColumns + column];
      shared.through[column] = sum;
    });
  }
  /// One a warp.
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void make_square_gradients(Warp& warp, const Shared& shared) {
    const int which = warp.index();
    const Rows left = which < 2 ? shared.d : shared.tile.other;
    const Rows right = which % 2 == 0 ? shared.u : shared.tile.v;
    const Square to = which == 0 ? shared.du : which == 1 ? shared.dv : which == 2 ? shared.yu : shared.yv;
    Tile::Sums<Warp> sums[1][2];
    device::multiply_rows(warp, left, 0, right, sums);
    Tile::each_lower(warp, sums, which >= 2, [&](int t, int column, float first, float second) {
      Warp::store(to.at(t, column), first, second);
    });
  }
  /// What the gradients of A, R, B and K have of states, for the warp's keys.
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void begin_row_gradients(Warp& warp, const Shared& shared, Rows before,
                                                         State<Warp>& state) {
    const auto multiply = [&](Rows left, Rows right, Tile::Sums<Warp>(&sums)[1][2]) {
      device::clear_sums(warp, sums);
      device::add_tiles<kColumns, false, false>(warp, left, 0, right, 16 * warp.index(), sums);
    };
    multiply(shared.d, before, state.of_a);
    multiply(shared.tile.other, before, state.of_r);
    multiply(shared.u, shared.gradient, state.of_b);
    multiply(shared.tile.v, shared.gradient, state.of_k);
  }
  /// And what they have of each other; to shared memory, with what B's and K's have of the state.
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void finish_row_gradients(Warp& warp, const Shared& shared,
                                                          State<Warp>& state) {
    const Tile& tile = shared.tile;
    const int own = 16 * warp.index();
    each_entry(warp, [&](int lane, int n, int i, int t, int column) {
      shared.of_log[t * kFloatLd + column] =
          fmaf(state.of_b[0][n][lane].x[i], device::to_float(*tile.of_b.at(t, column)),
               state.of_k[0][n][lane].x[i] * device::to_float(*tile.of_k.at(t, column)));
    });
    const auto add = [&](auto transposed, Square square, Rows rows, Tile::Sums<Warp>(&sums)[1][2]) {
      device::add_tiles<kRows, decltype(transposed)::value, false>(warp, square, 0, rows, own, sums);
    };
    constexpr std::false_type kAsItIs{};
    constexpr std::true_type kTransposed{};
    add(kAsItIs, shared.du, tile.of_b, state.of_a);
    add(kAsItIs, shared.dv, tile.of_k, state.of_a);
    add(kAsItIs, shared.yu, tile.of_b, state.of_r);
    add(kAsItIs, shared.yv, tile.of_k, state.of_r);
    add(kTransposed, shared.du, tile.of_a, state.of_b);
    add(kTransposed, shared.yu, tile.of_r, state.of_b);
    add(kTransposed, shared.dv, tile.of_a, state.of_k);
    add(kTransposed, shared.yv, tile.of_r, state.of_k);
    each_entry(warp, [&](int lane, int n, int i, int t, int column) {
      const int at = t * kFloatLd + column;
      shared.of_a[at] = state.of_a[0][n][lane].x[i];
      shared.of_r[at] = state.of_r[0][n][lane].x[i];
      shared.of_b[at] = state.of_b[0][n][lane].x[i];
      shared.of_k[at] = state.of_k[0][n][lane].x[i];
    });
  }
  template <typename Warp, typename F>
  static TIDEMARK_DEVICE_INLINE void each_entry(Warp& warp, const F& f) {
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int n = 0; n < 2; ++n) TIDEMARK_UNROLL
      for (int i = 0; i < 4; ++i)
        f(lane, n, i, device::c_row(lane, i), 16 * warp.index() + 8 * n + device::c_column(lane, i));
    });
  }
  /// The gradients of a, r, b and key from those of A, R, B and K, and of the decays' logarithms; for the
  /// warp's keys.
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void undo_decays(Warp& warp, const Shared& shared) {
    const Tile& tile = shared.tile;
    warp.each_lane([&](int lane) {
      if (lane >= 16) return;
      const int column = 16 * warp.index() + lane;
      float following = shared.through[column];
      for (int t = 0; t < kRows; ++t) following += shared.of_log[t * kFloatLd + column];
      for (int t = kRows; t-- > 0;) {
        const int at = t * kFloatLd + column;
        const float log = tile.logs[t * kColumns + column];
        const float before = t > 0 ? tile.logs[(t - 1) * kColumns + column] : 0.0f;
        const auto times = [&](float* gradient, Rows rows) {
          return gradient[at] * device::to_float(*rows.at(t, column));
        };
        following +=
            times(shared.of_r, tile.of_r) - times(shared.of_b, tile.of_b) - times(shared.of_k, tile.of_k);
        shared.of_log[at] = following;
        following += times(shared.of_a, tile.of_a);
        const float growth = device::fast_exp2(-log);
        shared.of_a[at] *= device::fast_exp2(before);
        shared.of_r[at] *= device::fast_exp2(log);
        shared.of_b[at] *= growth;
        shared.of_k[at] *= growth;
      }
    });
  }

  TIDEMARK_DEVICE float minus_direction(const Shared& shared, int head, int t, int column) const {
    const float k_k = device::to_float(g.s.k_k[head * g.s.columns + column]);
    return -device::to_float(*shared.tile.k.at(t, column)) * k_k * shared.tile.inverse_norm[t];
  }
  static TIDEMARK_DEVICE float ddirection(const Shared& shared, int t, int column, float rate) {
    const int at = t * kFloatLd + column;
    return fmaf(shared.of_b[at], rate, -shared.of_a[at]);
  }
  /// As store_wkv7_row does.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void store(Warp& warp, const Shared& shared, int head, int row, int rows) const {
    const Tile& tile = shared.tile;
    const int columns = static_cast<int>(g.s.columns);
    Tile::each_share(warp, [&](int column, int begin, int end) {
      if (column >= columns) return;
      const float k_k = device::to_float(g.s.k_k[head * columns + column]);
      const float k_a = device::to_float(g.s.k_a[head * columns + column]);
      float sum_k_k = 0, sum_k_a = 0;
      for (int t = begin; t < device::smaller(end, rows); ++t) {
        const int at = t * kFloatLd + column;
        const Wkv7RowOperands of{device::to_float(*tile.k.at(t, column)),
                                 device::sigmoid(device::to_float(*tile.a.at(t, column))),
                                 device::sigmoid(device::to_float(*tile.w.at(t, column))),
                                 k_k,
                                 k_a,
                                 minus_direction(shared, head, t, column),
                                 tile.inverse_norm[t]};
        const Wkv7RowGradients found =
            wkv7_row_gradients(of, shared.of_b[at], shared.of_k[at], shared.of_log[at],
                               ddirection(shared, t, column, of.rate), shared.dots[t]);
        sum_k_k += found.k_k;
        sum_k_a += found.k_a;
        store_wkv7_gradients(g, g.s.at(row + t, head) + column, shared.of_r[at], found);
      }
      const int at = (begin > 0 ? kColumns : 0) + column;
      shared.sum_k_k[at] += sum_k_k;
      shared.sum_k_a[at] += sum_k_a;
    });
  }
};

template <typename Device>
void wkv7_grad_on_tensor_cores(Device& device, const DeviceWkv7Grad<Bf16>& g) {
  device::with_room<Wkv7GradWarps<false>, Wkv7GradWarps<true>>(device, [&](auto chosen) {
    using Kernel = typename decltype(chosen)::type;
    device.template launch_warps<Kernel::kWarps, Kernel::kBlocks>(g.s.sequences * g.s.heads, Kernel::kShared,
                                                                  Kernel{g});
  });
}

}  // namespace tidemark::ops
