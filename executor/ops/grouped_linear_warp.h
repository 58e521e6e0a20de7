// Products of rows grouped by expert, on tensor cores: a block makes 128 x 128 of a product, a warp 64 x 64.
// What the next step multiplies arrives during this one.
#pragma once

#include "base/divided.h"
#include "executor/device/shared_memory.h"
#include "executor/device/warp_tile.h"
#include "executor/ops/grouped_linear_product.h"

namespace tidemark::ops {

struct GroupedWarps {
  static constexpr int kWarps = 4, kBlocks = 2, kSide = 128, kOfWarp = 64;

  template <typename Warp>
  struct State {
    typename Warp::template Lanes<device::Sums> sums[kOfWarp / 16][kOfWarp / 8];
  };
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE int row_of(const Warp& warp) {
    return warp.index() / 2 * kOfWarp;
  }
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE int column_of(const Warp& warp) {
    return warp.index() % 2 * kOfWarp;
  }

  /// to[row, column] = its product, plus start's if there is one, of a block of which `rows` and `columns`
  /// are there: in whole chunks, by way of shared memory that no phase has a use for any more.
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void store(Warp& warp, const State<Warp>& state, const Bf16* start, Bf16* to,
                                           int64_t stride, int rows, int columns, Bf16* shared) {
    constexpr int kAtOnce = 32, kAcross = kOfWarp / device::kChunk;
    using Staged = device::SharedTile<kOfWarp>;
    const Staged staged{shared + warp.index() * Staged::elements(kAtOnce)};
    TIDEMARK_UNROLL
    for (int part = 0; part < kOfWarp / kAtOnce; ++part) {
      const int first = row_of(warp) + part * kAtOnce;
      warp.each_lane([&](int lane) {
        TIDEMARK_UNROLL
        for (int m = 0; m < kAtOnce / 16; ++m) TIDEMARK_UNROLL
        for (int half = 0; half < 2; ++half) TIDEMARK_UNROLL
        for (int n = 0; n < kOfWarp / 8; ++n) {
          const int row = 16 * m + device::c_row(lane, 2 * half), column = 8 * n + device::c_column(lane, 0);
          const device::Sums& of = state.sums[part * kAtOnce / 16 + m][n][lane];
          float before[2] = {};
          if (start && first + row < rows && column_of(warp) + column < columns) {
            const Bf16* const at = start + (first + row) * stride + column_of(warp) + column;
            before[0] = device::to_float(at[0]);
            before[1] = device::to_float(at[1]);
          }
          Warp::store(staged.at(row, column), before[0] + of.x[2 * half], before[1] + of.x[2 * half + 1]);
        }
      });
      warp.sync();
      warp.each_lane([&](int lane) {
        TIDEMARK_UNROLL
        for (int i = 0; i < kAtOnce * kAcross / device::kWarpLanes; ++i) {
          const int at = i * device::kWarpLanes + lane, row = at / kAcross,
                    column = at % kAcross * device::kChunk;
          if (first + row < rows && column_of(warp) + column < columns)
            *reinterpret_cast<device::Chunk*>(to + (first + row) * stride + column_of(warp) + column) =
                *reinterpret_cast<const device::Chunk*>(staged.at(row, column));
        }
      });
      warp.sync();
    }
  }
};

/// y of a block's rows, which are one expert's. `kTransposed`: that expert's weight is [columns, k].
template <bool kTransposed, bool kSmall>
struct GroupedProductWarps : GroupedWarps {
  static constexpr int kStep = kSmall ? 32 : 64;
  using Rows = device::SharedTile<kStep>;
  using Weight = device::SharedTile<kTransposed ? kStep : kSide>;
  static constexpr int kWeightRows = kTransposed ? kSide : kStep;
  static constexpr int kStepElements = Rows::elements(kSide) + Weight::elements(kWeightRows);

  /// The steps' tiles, the rows of x and the block's part; the experts' offsets come to it.
  static constexpr int kShared = 4 * kStepElements + 4 * (kSide + 4);

  GroupedProduct<Bf16> p;
  int64_t across;

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    Bf16* const tiles = group.template shared<Bf16>();
    auto* const row_of_x = reinterpret_cast<int32_t*>(tiles + 2 * kStepElements);
    int32_t* const found = row_of_x + kSide;
    int32_t* const offsets = found + 4;
    group.each(p.experts + 1, [&](int64_t i) { offsets[i] = p.offsets[i]; });
    group.each(1, [&](int64_t) { find_expert_rows<kSide>(offsets, p.experts, index / across, found); });
    if (found[0] < 0) return;
    const int first = found[1], rows = found[2] - first;
    const int column = static_cast<int>(index % across) * kSide, k = static_cast<int>(p.k);
    const int columns = static_cast<int>(p.columns);
    group.each(rows, [&](int64_t i) {
      row_of_x[i] =
          p.gathers ? p.order[first + i] / static_cast<int32_t>(p.top_k) : first + static_cast<int32_t>(i);
    });

    typename Group::template Registers<State<Warp>, kWarps> registers;
    const Bf16* const weight = p.weight + found[0] * p.columns * p.k;
    const auto rows_at = [&](int half) { return Rows{tiles + half * kStepElements}; };
    const auto weight_at = [&](int half) { return Weight{rows_at(half).data + Rows::elements(kSide)}; };
    const auto copy = [&](Warp& warp, int half, int l) {
      device::copy_each_row<kWarps, kSide>(
          warp, [&](int row) { return row < rows ? p.x + row_of_x[row] * p.k + l : nullptr; }, k - l,
          rows_at(half));
      if constexpr (kTransposed)
        device::copy_rows<kWarps, kWeightRows>(warp, device::Columns{weight, columns, k, l, k - l}, column,
                                               weight_at(half));
      else
        device::copy_rows<kWarps, kWeightRows>(
            warp, device::Columns{weight, k, columns, column, columns - column}, l, weight_at(half));
    };
    group.template warps<kWarps>([&](Warp& warp) {
      copy(warp, 0, 0);
      device::clear_sums(warp, registers[warp].sums);
    });
    for (int l = 0, half = 0; l < k; l += kStep, half = 1 - half)
      group.template warps<kWarps>([&](Warp& warp) {
        if (l + kStep < k) copy(warp, 1 - half, l + kStep);
        if (row_of(warp) >= rows || column + column_of(warp) >= columns) return;
        device::add_tiles<kStep, false, kTransposed>(warp, rows_at(half), row_of(warp), weight_at(half),
                                                     column_of(warp), registers[warp].sums);
      });
    group.template warps<kWarps>([&](Warp& warp) {
      const int64_t at = first * p.columns + column;
      store(warp, registers[warp], p.start ? p.start + at : nullptr, p.y + at, p.columns, rows,
            columns - column, tiles);
    });
  }
};

/// An expert's dweight: its slots' dy, transposed, times their x.
template <bool kSmall>
struct GroupedWeightWarps : GroupedWarps {
  static constexpr int kStep = kSmall ? 32 : 64;
  using Tile = device::SharedTile<kSide>;
  static constexpr int kStepElements = 2 * Tile::elements(kStep);
  static constexpr int kShared = 4 * kStepElements;

  GroupedWeightGrad<Bf16> p;
  int down, across;

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    const int outputs = static_cast<int>(p.outputs), inputs = static_cast<int>(p.inputs);
    const int expert = static_cast<int>(index) / (down * across);
    const int row = static_cast<int>(index) / across % down * kSide;
    const int column = static_cast<int>(index) % across * kSide;
    const int first = p.offsets[expert], last = p.offsets[expert + 1];
    Bf16* const tiles = group.template shared<Bf16>();
    const auto dy_at = [&](int half) { return Tile{tiles + half * kStepElements}; };
    const auto x_at = [&](int half) { return Tile{dy_at(half).data + Tile::elements(kStep)}; };
    // By the slot, or by its token.
    const auto copy_slots = [&](Warp& warp, const Bf16* from, bool gathers, int64_t stride, int columns,
                                int slot, Tile to) {
      device::copy_each_row<kWarps, kStep>(
          warp,
          [&](int i) -> const Bf16* {
            if (slot + i >= last) return nullptr;
            return from + (gathers ? p.order[slot + i] / static_cast<int32_t>(p.top_k) : slot + i) * stride;
          },
          columns, to);
    };
    const auto copy = [&](Warp& warp, int half, int slot) {
      copy_slots(warp, p.dy + row, p.gathers_dy, p.outputs, outputs - row, slot, dy_at(half));
      copy_slots(warp, p.x + column, !p.gathers_dy, p.inputs, inputs - column, slot, x_at(half));
    };

    typename Group::template Registers<State<Warp>, kWarps> registers;
    group.template warps<kWarps>([&](Warp& warp) {
      copy(warp, 0, first);
      device::clear_sums(warp, registers[warp].sums);
    });
    for (int slot = first, half = 0; slot < last; slot += kStep, half = 1 - half)
      group.template warps<kWarps>([&](Warp& warp) {
        if (slot + kStep < last) copy(warp, 1 - half, slot + kStep);
        if (row + row_of(warp) >= outputs || column + column_of(warp) >= inputs) return;
        device::add_tiles<kStep, true, false>(warp, dy_at(half), row_of(warp), x_at(half), column_of(warp),
                                              registers[warp].sums);
      });
    group.template warps<kWarps>([&](Warp& warp) {
      Bf16* const to = p.dweight + (int64_t{expert} * outputs + row) * inputs + column;
      store(warp, registers[warp], p.adds ? to : nullptr, to, p.inputs, outputs - row, inputs - column,
            tiles);
    });
  }
};

template <bool kTransposed, typename Device>
void launch_grouped_product(Device& device, const GroupedProduct<Bf16>& p) {
  using Large = GroupedProductWarps<kTransposed, false>;
  using Small = GroupedProductWarps<kTransposed, true>;
  device::with_room<Large, Small>(device, [&](auto chosen) {
    typename decltype(chosen)::type kernel;
    using Kernel = decltype(kernel);
    kernel.p = p;
    kernel.across = divided(p.columns, Kernel::kSide);
    const int64_t blocks = p.slots / Kernel::kSide + p.experts;
    device.template launch_warps<Kernel::kWarps, Kernel::kBlocks>(
        blocks * kernel.across, Kernel::kShared + 4 * (p.experts + 1), kernel);
  });
}

template <typename Device>
void grouped_product_on_tensor_cores(Device& device, const GroupedProduct<Bf16>& p) {
  p.weight_transposed ? launch_grouped_product<true>(device, p) : launch_grouped_product<false>(device, p);
}

template <typename Device>
void grouped_weight_on_tensor_cores(Device& device, const GroupedWeightGrad<Bf16>& p) {
  device::with_room<GroupedWeightWarps<false>, GroupedWeightWarps<true>>(device, [&](auto chosen) {
    typename decltype(chosen)::type kernel;
    using Kernel = decltype(kernel);
    kernel.p = p;
    kernel.down = static_cast<int>(divided(p.outputs, Kernel::kSide));
    kernel.across = static_cast<int>(divided(p.inputs, Kernel::kSide));
    device.template launch_warps<Kernel::kWarps, Kernel::kBlocks>(p.experts * kernel.down * kernel.across,
                                                                  Kernel::kShared, kernel);
  });
}

}  // namespace tidemark::ops
