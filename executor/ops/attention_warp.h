// Attention on tensor cores: FlashAttention-2 (Dao 2023). A warp has its queries' scores and sums in
// registers; keys arrive while the values before them are multiplied, and values while keys are.
#pragma once

#include "base/divided.h"
#include "executor/device/shared_memory.h"
#include "executor/ops/attention_warp_tile.h"

namespace tidemark::ops {

template <int kDim, int kValueDim, bool kSmall>
struct AttendWarps {
  /// 16 x kDown queries a warp, kStep keys at a time.
  static constexpr int kDown = kValueDim <= 128 && !kSmall ? 2 : 1, kWarps = 8 / kDown, kBlocks = kDown;
  static constexpr int kRows = 16 * kDown * kWarps, kStep = kSmall && kValueDim > 128 ? 16 : 64;
  static_assert(kValueDim <= kDim);
  using Keys = device::SharedTile<kDim>;
  using Values = device::SharedTile<kValueDim>;
  using Seen = SeenColumns<kRows, kWarps>;
  static constexpr int kShared =
      2 * (Keys::elements(kRows) + Keys::elements(kStep) + Values::elements(kStep)) + Seen::kBytes;

  WarpAttention a;
  Bf16* o;
  float* lse;
  int row_blocks;

  template <typename Warp>
  struct State {
    typename Warp::template Lanes<device::Sums> scores[kDown][kStep / 8], out[kDown][kValueDim / 8];
    /// Each row's highest score, unscaled, and the lane's part of the sum of its weights.
    typename Warp::template Lanes<device::RowPair> top[kDown], sum[kDown];
  };

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    // The last queries of a sequence see the most keys: the longest blocks first.
    const int block = static_cast<int>(index), head = block % a.heads, kv_head = head / a.group;
    const int first = (row_blocks - 1 - block / a.heads) * kRows;
    const int valid = device::smaller(kRows, a.tokens - first);
    Bf16* const shared = group.template shared<Bf16>();
    const Keys q{shared}, k{q.data + Keys::elements(kRows)};
    const Values v{k.data + Keys::elements(kStep)};
    const Seen seen(v.data + Values::elements(kStep));
    group.template warps<kWarps>([&](Warp& warp) {
      device::copy_rows<kWarps, kRows>(warp, a.q_of(head), first, q);
      find_keys(warp, a, first, valid, seen);
    });

    typename Group::template Registers<State<Warp>, kWarps> registers;
    const auto copy_keys = [&](Warp& warp, int key) {
      device::copy_rows<kWarps, kStep>(warp, a.k_of(kv_head), key, k);
    };
    const int keys_begin = seen.begin[0], keys_end = seen.end[valid - 1];
    group.template warps<kWarps>([&](Warp& warp) {
      copy_keys(warp, keys_begin);
      seen.set_warp(warp, valid);
      begin_rows(warp, registers[warp]);
    });
    for (int key = keys_begin; key < keys_end; key += kStep) {
      group.template warps<kWarps>([&](Warp& warp) {
        device::copy_rows<kWarps, kStep>(warp, a.v_of(kv_head), key, v);
        State<Warp>& state = registers[warp];
        if (seen.of_warp[warp.index()].any(key, kStep))
          device::multiply_rows(warp, q, first_row<kDown>(warp), k, state.scores);
      });
      group.template warps<kWarps>([&](Warp& warp) {
        if (key + kStep < keys_end) copy_keys(warp, key + kStep);
        State<Warp>& state = registers[warp];
        const WarpColumns of_warp = seen.of_warp[warp.index()];
        if (!of_warp.any(key, kStep)) return;
        if (!of_warp.all(key, kStep)) hide(warp, state, seen, key);
        weigh(warp, state);
        device::add_product(warp, state.scores, v, state.out);
      });
    }
    group.template warps<kWarps>([&](Warp& warp) {
      finish(warp, registers[warp], lse + int64_t{head} * a.tokens + first, valid);
      device::store_rows(
          warp, registers[warp].out,
          [&](int lane, int m, int half) { return registers[warp].sum[m][lane].x[half]; }, q,
          first_row<kDown>(warp), o + head * a.value_dim, a.o_columns, first + first_row<kDown>(warp),
          a.tokens, a.value_dim);
    });
  }

 private:
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void begin_rows(Warp& warp, State<Warp>& state) {
    device::clear_sums(warp, state.out);
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int m = 0; m < kDown; ++m) {
        state.top[m][lane] = {-INFINITY, -INFINITY};
        state.sum[m][lane] = {0, 0};
      }
    });
  }

  /// Scores of keys that a query does not see.
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void hide(Warp& warp, State<Warp>& state, const Seen& seen, int key) {
    warp.each_lane([&](int lane) {
      seen.template each_unseen<kDown, kStep / 8>(
          lane, first_row<kDown>(warp), key,
          [&](int m, int n, int i) { state.scores[m][n][lane].x[i] = -INFINITY; });
    });
  }

  /// Scores become weights: 2 to the power of what they are below the row's highest one. What was summed by
  /// a lower highest one shrinks.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void weigh(Warp& warp, State<Warp>& state) const {
    const float scale = a.scale * kLog2E;
    TIDEMARK_UNROLL
    for (int m = 0; m < kDown; ++m) {
      typename Warp::template Lanes<device::RowPair> top;
      warp.each_lane([&](int lane) {
        top[lane] = state.top[m][lane];
        TIDEMARK_UNROLL
        for (int n = 0; n < kStep / 8; ++n) TIDEMARK_UNROLL
        for (int i = 0; i < 4; ++i)
          top[lane].x[i / 2] = fmaxf(top[lane].x[i / 2], state.scores[m][n][lane].x[i]);
      });
      warp.each_quad(top, [](float x, float y) { return fmaxf(x, y); });
      warp.each_lane([&](int lane) {
        TIDEMARK_UNROLL
        for (int half = 0; half < 2; ++half) {
          // Before its first key a row has seen nothing: -inf - -inf is no number.
          const float highest = top[lane].x[half] == -INFINITY ? 0.0f : scale * top[lane].x[half];
          const float shrink = device::fast_exp2(scale * state.top[m][lane].x[half] - highest);
          float& sum = state.sum[m][lane].x[half];
          sum *= shrink;
          TIDEMARK_UNROLL
          for (int n = 0; n < kStep / 8; ++n) TIDEMARK_UNROLL
          for (int i = 2 * half; i < 2 * half + 2; ++i) {
            float& score = state.scores[m][n][lane].x[i];
            score = device::fast_exp2(fmaf(scale, score, -highest));
            sum += score;
          }
          TIDEMARK_UNROLL
          for (int n = 0; n < kValueDim / 8; ++n) TIDEMARK_UNROLL
          for (int i = 2 * half; i < 2 * half + 2; ++i) state.out[m][n][lane].x[i] *= shrink;
          state.top[m][lane].x[half] = top[lane].x[half];
        }
      });
    }
  }

  /// lse of the block's rows; what a row's sums are to be multiplied with becomes its sum.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void finish(Warp& warp, State<Warp>& state, float* to, int valid) const {
    TIDEMARK_UNROLL
    for (int m = 0; m < kDown; ++m) {
      warp.each_quad(state.sum[m], [](float x, float y) { return x + y; });
      warp.each_lane([&](int lane) {
        TIDEMARK_UNROLL
        for (int half = 0; half < 2; ++half) {
          const int row = first_row<kDown>(warp) + 16 * m + device::c_row(lane, 2 * half);
          float& sum = state.sum[m][lane].x[half];
          if (lane % 4 == 0 && row < valid) to[row] = a.scale * state.top[m][lane].x[half] + logf(sum);
          sum = sum > 0 ? 1 / sum : 0.0f;  // of no keys: zero
        }
      });
    }
  }
};

template <typename Device>
void attention_on_tensor_cores(Device& device, const DeviceAttention<Bf16>& a, Bf16* o, float* lse) {
  with_head_widths(a.dim, a.value_dim, [&](auto widths) {
    constexpr int kDim = decltype(widths)::kDim, kValueDim = decltype(widths)::kValueDim;
    using Large = AttendWarps<kDim, kValueDim, false>;
    using Small = AttendWarps<kDim, kValueDim, true>;
    device::with_room<Large, Small>(device, [&](auto chosen) {
      using Kernel = typename decltype(chosen)::type;
      const int64_t row_blocks = divided(a.tokens, Kernel::kRows);
      device.template launch_warps<Kernel::kWarps, Kernel::kBlocks>(
          row_blocks * a.heads, Kernel::kShared,
          Kernel{WarpAttention(a), o, lse, static_cast<int>(row_blocks)});
    });
  });
}

}  // namespace tidemark::ops
