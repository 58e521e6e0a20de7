// dk and dv of attention on tensor cores: blocks of keys, whose scores stand with keys down and queries
// across.
#pragma once

#include "executor/ops/attention_warp_tile.h"

namespace tidemark::ops {

/// dk and dv in f32 of some of the heads that read a head of keys each: of few heads of keys there would be
/// too few blocks for a device, and the longest would take half of the time. They lie where dq comes later.
struct GradParts {
  int count = 1;
  float* at = nullptr;

  /// As many as fit there, if blocks are few: 1024 are enough for the 132 multiprocessors of an H100.
  static int count_of(const WarpAttention& a, int64_t blocks) {
    const int64_t bytes = int64_t{4} * a.keys * (a.k_columns + a.v_columns);
    int count = 1;
    while (blocks * count < 1024 && a.group % (2 * count) == 0 &&
           2 * count * bytes <= int64_t{2} * a.tokens * a.q_columns)
      count *= 2;
    return count;
  }
  TIDEMARK_HOST_DEVICE float* dk_of(int part, const WarpAttention& a) const {
    return at + int64_t{part} * a.keys * (a.k_columns + a.v_columns);
  }
  TIDEMARK_HOST_DEVICE float* dv_of(int part, const WarpAttention& a) const {
    return dk_of(part, a) + int64_t{a.keys} * a.k_columns;
  }
};

/// dk and dv of kRows keys, over the queries of the heads that read them, kStep at a time: those to come
/// arrive while these are multiplied. Of wide heads, a kernel has registers for one of both. kInTurns: of a
/// step's gradients there is no second copy, so that they arrive while the scores are made, and the next
/// step's queries after that.
template <int kDim, int kValueDim, bool kOfKeys, bool kOfValues, bool kSmall>
struct AttentionGradKeys {
  static constexpr bool kInTurns = kSmall && kDim > 64;
  static constexpr int kDown = kDim <= 64 && !kSmall ? 2 : 1;
  static constexpr int kWarps = kSmall ? (kDim <= 128 ? 8 : 4) : kDim <= 64 || kDim > 192 ? 4 : 8;
  static constexpr int kBlocks = kDown;
  static constexpr int kStep = kDim <= 64                    ? 32
                               : kDim <= (kSmall ? 96 : 128) ? 64
                               : kSmall && kDim > 192        ? 16
                                                             : 32;
  static constexpr int kRows = 16 * kDown * kWarps;
  using Keys = device::SharedTile<kDim>;
  using Values = device::SharedTile<kValueDim>;
  using Seen = SeenColumns<kRows, kWarps>;
  /// A step's queries, their gradients where there are two copies of these, lse and delta.
  static constexpr int kGradBytes = 2 * Values::elements(kStep);
  static constexpr int kStepBytes = 2 * Keys::elements(kStep) + (kInTurns ? 0 : kGradBytes) + 8 * kStep;
  static constexpr int kStepsBytes = 2 * kStepBytes + (kInTurns ? kGradBytes : 0);
  static constexpr int kShared =
      2 * (Keys::elements(kRows) + Values::elements(kRows)) + kStepsBytes + Seen::kBytes;

  WarpAttentionGrad g;
  Bf16 *dk, *dv;
  GradParts parts;

  template <typename Warp>
  struct State {
    typename Warp::template Lanes<device::Sums> dk[kDown][kDim / 8], dv[kDown][kValueDim / 8];
    typename Warp::template Lanes<device::Sums> p[kDown][kStep / 8];
  };
  struct Step {
    Keys q;
    Values d_o;
    float *lse, *delta;
  };

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    const WarpAttention& a = g.forward;
    const int part = static_cast<int>(index) % parts.count, block = static_cast<int>(index) / parts.count;
    const int kv_head = block % a.kv_heads, first = block / a.kv_heads * kRows;
    const int valid = device::smaller(kRows, a.keys - first);
    Bf16* const shared = group.template shared<Bf16>();
    const Keys k{shared};
    const Values v{k.data + Keys::elements(kRows)};
    auto* const steps = reinterpret_cast<unsigned char*>(v.data + Values::elements(kRows));
    const Seen seen(steps + kStepsBytes);
    group.template warps<kWarps>([&](Warp& warp) {
      device::copy_rows<kWarps, kRows>(warp, a.k_of(kv_head), first, k);
      device::copy_rows<kWarps, kRows>(warp, a.v_of(kv_head), first, v);
      find_queries(warp, a, first, valid, seen);
    });

    typename Group::template Registers<State<Warp>, kWarps> registers;
    const int queries_begin = seen.begin[0], queries_end = seen.end[valid - 1];
    const int heads = a.group / parts.count, first_head = kv_head * a.group + part * heads;
    const int heads_end = queries_end > queries_begin ? first_head + heads : 0;
    // What is multiplied, and what comes after it.
    int head = first_head, query = queries_begin, next_head = head, next_query = query;
    const auto copy_next = [&](Warp& warp, int half) {
      if (next_head < heads_end) copy(warp, step_at(steps, half), next_head, next_query);
    };
    group.template warps<kWarps>([&](Warp& warp) {
      copy_next(warp, 0);
      seen.set_warp(warp, valid);
      State<Warp>& state = registers[warp];
      if constexpr (kOfKeys) device::clear_sums(warp, state.dk);
      if constexpr (kOfValues) device::clear_sums(warp, state.dv);
    });
    for (int half = 0; head < heads_end; half = 1 - half) {
      next_query += kStep;
      if (next_query >= queries_end) {
        next_query = queries_begin;
        ++next_head;
      }
      if constexpr (kInTurns)
        group.template warps<kWarps>([&](Warp& warp) {
          copy_gradients(warp, step_at(steps, half), head, query);
          if (seen.of_warp[warp.index()].any(query, kStep))
            find_probabilities(warp, registers[warp], k, seen, step_at(steps, half), query);
        });
      group.template warps<kWarps>([&](Warp& warp) {
        copy_next(warp, 1 - half);
        if (!seen.of_warp[warp.index()].any(query, kStep)) return;
        if constexpr (!kInTurns)
          find_probabilities(warp, registers[warp], k, seen, step_at(steps, half), query);
        add(warp, registers[warp], v, step_at(steps, half));
      });
      head = next_head;
      query = next_query;
    }
    group.template warps<kWarps>([&](Warp& warp) {
      if constexpr (kOfKeys)
        store(warp, registers[warp].dk, a.scale, k, first, dk + kv_head * a.dim,
              parts.dk_of(part, a) + kv_head * a.dim, a.k_columns, a.dim);
      if constexpr (kOfValues)
        store(warp, registers[warp].dv, 1.0f, v, first, dv + kv_head * a.value_dim,
              parts.dv_of(part, a) + kv_head * a.value_dim, a.v_columns, a.value_dim);
    });
  }

 private:
  /// What the warp summed of the block's keys, which begin at `first`: to where it belongs, rounded, or as a
  /// part of it.
  template <int kAcross, typename Warp, typename Tile>
  TIDEMARK_DEVICE_INLINE void store(Warp& warp,
                                    const typename Warp::template Lanes<device::Sums> (&sums)[kDown][kAcross],
                                    float scale, Tile tile, int first, Bf16* whole, float* part, int stride,
                                    int columns) const {
    const int row = first_row<kDown>(warp);
    const auto factor = [scale](int, int, int) { return scale; };
    if (parts.count == 1)
      device::store_rows(warp, sums, factor, tile, row, whole, stride, first + row, g.forward.keys, columns);
    else
      device::store_sums(warp, sums, factor, part, stride, first + row, g.forward.keys, columns);
  }

  static TIDEMARK_DEVICE_INLINE Step step_at(unsigned char* steps, int half) {
    Step at;
    at.q.data = reinterpret_cast<Bf16*>(steps + half * kStepBytes);
    Bf16* const after_q = at.q.data + Keys::elements(kStep);
    at.d_o.data = kInTurns ? reinterpret_cast<Bf16*>(steps + 2 * kStepBytes) : after_q;
    at.lse = reinterpret_cast<float*>(kInTurns ? after_q : after_q + Values::elements(kStep));
    at.delta = at.lse + kStep;
    return at;
  }

  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void copy_gradients(Warp& warp, const Step& to, int head, int query) const {
    device::copy_rows<kWarps, kStep>(warp, g.forward.o_of(head, g.d_o), query, to.d_o);
  }
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void copy(Warp& warp, const Step& to, int head, int query) const {
    const WarpAttention& a = g.forward;
    device::copy_rows<kWarps, kStep>(warp, a.q_of(head), query, to.q);
    if constexpr (!kInTurns) copy_gradients(warp, to, head, query);
    warp.each_lane([&](int lane) {
      const int i = warp.index() * device::kWarpLanes + lane;
      if (i >= kStep) return;
      const bool there = query + i < a.tokens;
      const int at = head * a.tokens + (there ? query + i : 0);
      warp.copy(to.lse + i, g.lse + at, there);
      warp.copy(to.delta + i, g.delta + at, there);
    });
  }

  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void find_probabilities(Warp& warp, State<Warp>& state, const Keys& k,
                                                 const Seen& seen, const Step& step, int query) const {
    device::multiply_rows(warp, k, first_row<kDown>(warp), step.q, state.p);
    const float scale = g.forward.scale * kLog2E;
    warp.each_lane([&](int lane) {
      each_score(state.p, lane, [&](float& x, int, int n, int i) {
        x = device::fast_exp2(fmaf(scale, x, -kLog2E * step.lse[8 * n + device::c_column(lane, i)]));
      });
    });
    if (!seen.of_warp[warp.index()].all(query, kStep))
      warp.each_lane([&](int lane) {
        seen.template each_unseen<kDown, kStep / 8>(
            lane, first_row<kDown>(warp), query, [&](int m, int n, int i) { state.p[m][n][lane].x[i] = 0; });
      });
  }
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void add(Warp& warp, State<Warp>& state, const Values& v, const Step& step) const {
    if constexpr (kOfValues) device::add_product(warp, state.p, step.d_o, state.dv);
    if constexpr (kOfKeys) {
      typename Warp::template Lanes<device::Sums> dp[kDown][kStep / 8];
      device::multiply_rows(warp, v, first_row<kDown>(warp), step.d_o, dp);
      warp.each_lane([&](int lane) {
        each_score(state.p, lane, [&](float& x, int m, int n, int i) {
          x *= dp[m][n][lane].x[i] - step.delta[8 * n + device::c_column(lane, i)];
        });
      });
      device::add_product(warp, state.p, step.q, state.dk);
    }
  }
};

}  // namespace tidemark::ops
