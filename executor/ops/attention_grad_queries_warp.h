// dq of attention on tensor cores: blocks of queries, whose scores stand with queries down and keys across.
#pragma once

#include "executor/ops/attention_warp_tile.h"

namespace tidemark::ops {

/// dq of kRows queries of one head, over the keys that they see, kStep at a time: those to come arrive while
/// these are multiplied. kInTurns: of a step's values there is no second copy, so that they arrive while the
/// scores are made, and the next step's keys after that.
template <int kDim, int kValueDim, bool kSmall>
struct AttentionGradQueries {
  static constexpr bool kInTurns = kSmall && kDim > 96;
  static constexpr int kDown = kDim <= 128 && !kSmall ? 2 : 1;
  static constexpr int kWarps = kSmall ? (kDim <= 128 ? 8 : 4) : kDim <= 128 || kDim > 192 ? 4 : 8;
  static constexpr int kBlocks = kDown, kStep = kSmall && kDim > 192 ? 16 : 32;
  static constexpr int kRows = 16 * kDown * kWarps, kValueSteps = kInTurns ? 1 : 2;
  using Keys = device::SharedTile<kDim>;
  using Values = device::SharedTile<kValueDim>;
  using Seen = SeenColumns<kRows, kWarps>;
  static constexpr int kShared =
      2 * (Keys::elements(kRows + 2 * kStep) + Values::elements(kRows + kValueSteps * kStep)) + Seen::kBytes +
      8 * kRows;

  WarpAttentionGrad g;
  Bf16* dq;
  int row_blocks;

  template <typename Warp>
  struct State {
    typename Warp::template Lanes<device::Sums> dq[kDown][kDim / 8];
    typename Warp::template Lanes<device::Sums> p[kDown][kStep / 8];
  };
  struct Step {
    Keys k;
    Values v;
  };

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    const WarpAttention& a = g.forward;
    const int block = static_cast<int>(index), head = block % a.heads, kv_head = head / a.group;
    const int first = (row_blocks - 1 - block / a.heads) * kRows;
    const int valid = device::smaller(kRows, a.tokens - first);
    const Keys q{group.template shared<Bf16>()};
    const Values d_o{q.data + Keys::elements(kRows)};
    Bf16* const steps = d_o.data + Values::elements(kRows);
    constexpr int kStepElements = Keys::elements(kStep) + (kInTurns ? 0 : Values::elements(kStep));
    const auto step_at = [&](int half) {
      const Keys k{steps + half * kStepElements};
      return Step{k, {kInTurns ? steps + 2 * kStepElements : k.data + Keys::elements(kStep)}};
    };
    const Seen seen(steps + 2 * Keys::elements(kStep) + kValueSteps * Values::elements(kStep));
    float* const lse = reinterpret_cast<float*>(seen.of_warp + kWarps);
    float* const delta = lse + kRows;
    group.template warps<kWarps>([&](Warp& warp) {
      device::copy_rows<kWarps, kRows>(warp, a.q_of(head), first, q);
      device::copy_rows<kWarps, kRows>(warp, a.o_of(head, g.d_o), first, d_o);
      warp.each_lane([&](int lane) {
        const int i = warp.index() * device::kWarpLanes + lane;
        if (i >= kRows) return;
        const int at = head * a.tokens + first + i;
        warp.copy(lse + i, g.lse + at, i < valid);
        warp.copy(delta + i, g.delta + at, i < valid);
      });
      find_keys(warp, a, first, valid, seen);
    });

    typename Group::template Registers<State<Warp>, kWarps> registers;
    const int keys_begin = seen.begin[0], keys_end = seen.end[valid - 1];
    const auto copy_values = [&](Warp& warp, int half, int key) {
      device::copy_rows<kWarps, kStep>(warp, a.v_of(kv_head), key, step_at(half).v);
    };
    const auto copy_step = [&](Warp& warp, int half, int key) {
      if (key >= keys_end) return;
      device::copy_rows<kWarps, kStep>(warp, a.k_of(kv_head), key, step_at(half).k);
      if constexpr (!kInTurns) copy_values(warp, half, key);
    };
    group.template warps<kWarps>([&](Warp& warp) {
      copy_step(warp, 0, keys_begin);
      seen.set_warp(warp, valid);
      device::clear_sums(warp, registers[warp].dq);
    });
    for (int key = keys_begin, half = 0; key < keys_end; key += kStep, half = 1 - half) {
      if constexpr (kInTurns)
        group.template warps<kWarps>([&](Warp& warp) {
          copy_values(warp, half, key);
          if (seen.of_warp[warp.index()].any(key, kStep))
            find_probabilities(warp, registers[warp], q, seen, step_at(half), key, lse);
        });
      group.template warps<kWarps>([&](Warp& warp) {
        copy_step(warp, 1 - half, key + kStep);
        if (!seen.of_warp[warp.index()].any(key, kStep)) return;
        if constexpr (!kInTurns) find_probabilities(warp, registers[warp], q, seen, step_at(half), key, lse);
        add(warp, registers[warp], d_o, step_at(half), delta);
      });
    }
    group.template warps<kWarps>([&](Warp& warp) {
      device::store_rows(
          warp, registers[warp].dq, [&](int, int, int) { return a.scale; }, q, first_row<kDown>(warp),
          dq + head * a.dim, a.q_columns, first + first_row<kDown>(warp), a.tokens, a.dim);
    });
  }

 private:
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void find_probabilities(Warp& warp, State<Warp>& state, const Keys& q,
                                                 const Seen& seen, const Step& step, int key,
                                                 const float* lse) const {
    device::multiply_rows(warp, q, first_row<kDown>(warp), step.k, state.p);
    const float scale = g.forward.scale * kLog2E;
    warp.each_lane([&](int lane) {
      each_score(state.p, lane, [&](float& x, int m, int, int i) {
        x = device::fast_exp2(
            fmaf(scale, x, -kLog2E * lse[first_row<kDown>(warp) + 16 * m + device::c_row(lane, i)]));
      });
    });
    if (!seen.of_warp[warp.index()].all(key, kStep))
      warp.each_lane([&](int lane) {
        seen.template each_unseen<kDown, kStep / 8>(
            lane, first_row<kDown>(warp), key, [&](int m, int n, int i) { state.p[m][n][lane].x[i] = 0; });
      });
  }
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void add(Warp& warp, State<Warp>& state, const Values& d_o, const Step& step,
                                  const float* delta) const {
    typename Warp::template Lanes<device::Sums> dp[kDown][kStep / 8];
    device::multiply_rows(warp, d_o, first_row<kDown>(warp), step.v, dp);
    warp.each_lane([&](int lane) {
      each_score(state.p, lane, [&](float& x, int m, int n, int i) {
        x *= dp[m][n][lane].x[i] - delta[first_row<kDown>(warp) + 16 * m + device::c_row(lane, i)];
      });
    });
    device::add_product(warp, state.p, step.k, state.dq);
  }
};

}  // namespace tidemark::ops
