// The gradient of attention on tensor cores. Every sum has one writer: dk and dv by blocks of keys, whose
// scores stand with keys down and queries across, dq by blocks of queries. Either way, what a warp's products
// are summed over lies across, so that probabilities go from one product to the next within registers.
#pragma once

#include "base/divided.h"
#include "executor/ops/attention_warp_tile.h"

namespace tidemark::ops {

struct WarpAttentionGrad {
  WarpAttention forward;
  const Bf16* d_o;
  const float *lse, *delta;
};

/// delta: 16 rows of one head each a warp, four lanes to a row.
struct AttentionDelta {
  static constexpr int kWarps = 4, kRows = 16 * kWarps;

  const Bf16 *o, *d_o;
  float* delta;
  int64_t tokens, heads, dim;

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    group.template warps<kWarps>([&](Warp& warp) {
      const int64_t first = index * kRows + 16 * warp.index();
      typename Warp::template Lanes<device::RowPair> sums;
      warp.each_lane([&](int lane) {
        TIDEMARK_UNROLL
        for (int half = 0; half < 2; ++half) {
          const int64_t row = first + device::c_row(lane, 2 * half);
          float sum = 0;
          if (row < tokens * heads)
            for (int64_t column = lane % 4 * device::kChunk; column < dim; column += 4 * device::kChunk) {
              const auto x = *reinterpret_cast<const device::Chunk*>(o + row * dim + column);
              const auto y = *reinterpret_cast<const device::Chunk*>(d_o + row * dim + column);
              TIDEMARK_UNROLL
              for (int i = 0; i < device::kChunk; ++i)
                sum = fmaf(device::to_float(x.x[i]), device::to_float(y.x[i]), sum);
            }
          sums[lane].x[half] = sum;
        }
      });
      warp.each_quad(sums, [](float x, float y) { return x + y; });
      warp.each_lane([&](int lane) {
        TIDEMARK_UNROLL
        for (int half = 0; half < 2; ++half) {
          const int64_t row = first + device::c_row(lane, 2 * half);
          if (lane % 4 == 0 && row < tokens * heads)
            delta[row % heads * tokens + row / heads] = sums[lane].x[half];
        }
      });
    });
  }
};

/// dk and dv of kRows keys, over the queries of all heads that read them, kStep at a time: those to come
/// arrive while these are multiplied. Of wide heads, a kernel has registers for one of both.
template <int kDim, int kValueDim, bool kOfKeys, bool kOfValues>
struct AttentionGradKeys {
  static constexpr int kDown = kDim <= 64 ? 2 : 1, kWarps = kDim <= 64 || kDim > 192 ? 4 : 8;
  static constexpr int kBlocks = kDim <= 64 ? 2 : 1, kStep = kDim > 64 && kDim <= 128 ? 64 : 32;
  static constexpr int kRows = 16 * kDown * kWarps;
  using Keys = device::SharedTile<kDim>;
  using Values = device::SharedTile<kValueDim>;
  using Seen = SeenColumns<kRows, kWarps>;
  /// A step's queries, their gradients, lse and delta.
  static constexpr int kStepBytes = 2 * (Keys::elements(kStep) + Values::elements(kStep)) + 8 * kStep;
  static constexpr int kShared =
      2 * (Keys::elements(kRows) + Values::elements(kRows)) + 2 * kStepBytes + Seen::kBytes;
  static_assert(kShared <= device::kMostShared);

  WarpAttentionGrad g;
  Bf16 *dk, *dv;

  template <typename Warp>
  struct State {
    typename Warp::template Lanes<device::Sums> dk[kDown][kDim / 8], dv[kDown][kValueDim / 8];
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
    const int block = static_cast<int>(index), kv_head = block % a.kv_heads;
    const int first = block / a.kv_heads * kRows, valid = device::smaller(kRows, a.keys - first);
    Bf16* const shared = group.template shared<Bf16>();
    const Keys k{shared};
    const Values v{k.data + Keys::elements(kRows)};
    auto* const steps = reinterpret_cast<unsigned char*>(v.data + Values::elements(kRows));
    const Seen seen(steps + 2 * kStepBytes);
    group.template warps<kWarps>([&](Warp& warp) {
      device::copy_rows<kWarps, kRows>(warp, a.k_of(kv_head), first, k);
      device::copy_rows<kWarps, kRows>(warp, a.v_of(kv_head), first, v);
      find_queries(warp, a, first, valid, seen);
    });

    typename Group::template Registers<State<Warp>, kWarps> registers;
    const int queries_begin = seen.begin[0], queries_end = seen.end[valid - 1];
    const int heads_end = queries_end > queries_begin ? (kv_head + 1) * a.group : 0;
    // What is multiplied, and what comes after it.
    int head = kv_head * a.group, query = queries_begin, next_head = head, next_query = query;
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
      group.template warps<kWarps>([&](Warp& warp) {
        copy_next(warp, 1 - half);
        if (seen.of_warp[warp.index()].any(query, kStep))
          add(warp, registers[warp], k, v, seen, step_at(steps, half), query);
      });
      head = next_head;
      query = next_query;
    }
    group.template warps<kWarps>([&](Warp& warp) {
      const int row = row_of(warp);
      if constexpr (kOfKeys)
        device::store_rows(
            warp, registers[warp].dk, [&](int, int, int) { return a.scale; }, k, row, dk + kv_head * a.dim,
            a.k_columns, first + row, a.keys, a.dim);
      if constexpr (kOfValues)
        device::store_rows(
            warp, registers[warp].dv, [&](int, int, int) { return 1.0f; }, v, row, dv + kv_head * a.value_dim,
            a.v_columns, first + row, a.keys, a.value_dim);
    });
  }

 private:
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE int row_of(const Warp& warp) {
    return warp.index() * 16 * kDown;
  }
  static TIDEMARK_DEVICE_INLINE Step step_at(unsigned char* steps, int half) {
    Step at;
    at.q.data = reinterpret_cast<Bf16*>(steps + half * kStepBytes);
    at.d_o.data = at.q.data + Keys::elements(kStep);
    at.lse = reinterpret_cast<float*>(at.d_o.data + Values::elements(kStep));
    at.delta = at.lse + kStep;
    return at;
  }

  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void copy(Warp& warp, const Step& to, int head, int query) const {
    const WarpAttention& a = g.forward;
    device::copy_rows<kWarps, kStep>(warp, a.q_of(head), query, to.q);
    device::copy_rows<kWarps, kStep>(warp, a.o_of(head, g.d_o), query, to.d_o);
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
  TIDEMARK_DEVICE_INLINE void add(Warp& warp, State<Warp>& state, const Keys& k, const Values& v,
                                  const Seen& seen, const Step& step, int query) const {
    typename Warp::template Lanes<device::Sums> p[kDown][kStep / 8], dp[kDown][kStep / 8];
    device::multiply_rows(warp, k, row_of(warp), step.q, p);
    const float scale = g.forward.scale * kLog2E;
    warp.each_lane([&](int lane) {
      each_score(p, lane, [&](float& x, int, int n, int i) {
        x = Warp::exp2(fmaf(scale, x, -kLog2E * step.lse[8 * n + device::c_column(lane, i)]));
      });
    });
    if (!seen.of_warp[warp.index()].all(query, kStep))
      warp.each_lane([&](int lane) {
        seen.template each_unseen<kDown, kStep / 8>(lane, row_of(warp), query,
                                                    [&](int m, int n, int i) { p[m][n][lane].x[i] = 0; });
      });
    if constexpr (kOfValues) device::add_product(warp, p, step.d_o, state.dv);
    if constexpr (kOfKeys) {
      device::multiply_rows(warp, v, row_of(warp), step.d_o, dp);
      warp.each_lane([&](int lane) {
        each_score(p, lane, [&](float& x, int m, int n, int i) {
          x *= dp[m][n][lane].x[i] - step.delta[8 * n + device::c_column(lane, i)];
        });
      });
      device::add_product(warp, p, step.q, state.dk);
    }
  }
};

/// dq of kRows queries of one head, over the keys that they see.
template <int kDim, int kValueDim>
struct AttentionGradQueries {
  static constexpr int kDown = kDim <= 128 ? 2 : 1, kWarps = kDim <= 128 || kDim > 192 ? 4 : 8;
  static constexpr int kBlocks = kDim <= 128 ? 2 : 1, kStep = 32;
  static constexpr int kRows = 16 * kDown * kWarps;
  using Keys = device::SharedTile<kDim>;
  using Values = device::SharedTile<kValueDim>;
  using Seen = SeenColumns<kRows, kWarps>;
  static constexpr int kShared =
      2 * (Keys::elements(kRows + 2 * kStep) + Values::elements(kRows + 2 * kStep)) + Seen::kBytes +
      8 * kRows;
  static_assert(kShared <= device::kMostShared);

  WarpAttentionGrad g;
  Bf16* dq;
  int row_blocks;

  template <typename Warp>
  struct State {
    typename Warp::template Lanes<device::Sums> dq[kDown][kDim / 8];
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
    constexpr int kStepElements = Keys::elements(kStep) + Values::elements(kStep);
    const auto step_at = [&](int half) {
      const Keys k{steps + half * kStepElements};
      return Step{k, {k.data + Keys::elements(kStep)}};
    };
    const Seen seen(steps + 2 * kStepElements);
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
    const auto copy_step = [&](Warp& warp, int half, int key) {
      if (key >= keys_end) return;
      device::copy_rows<kWarps, kStep>(warp, a.k_of(kv_head), key, step_at(half).k);
      device::copy_rows<kWarps, kStep>(warp, a.v_of(kv_head), key, step_at(half).v);
    };
    group.template warps<kWarps>([&](Warp& warp) {
      copy_step(warp, 0, keys_begin);
      seen.set_warp(warp, valid);
      device::clear_sums(warp, registers[warp].dq);
    });
    for (int key = keys_begin, half = 0; key < keys_end; key += kStep, half = 1 - half)
      group.template warps<kWarps>([&](Warp& warp) {
        copy_step(warp, 1 - half, key + kStep);
        if (seen.of_warp[warp.index()].any(key, kStep))
          add(warp, registers[warp], q, d_o, seen, step_at(half), key, lse, delta);
      });
    group.template warps<kWarps>([&](Warp& warp) {
      device::store_rows(
          warp, registers[warp].dq, [&](int, int, int) { return a.scale; }, q, row_of(warp),
          dq + head * a.dim, a.q_columns, first + row_of(warp), a.tokens, a.dim);
    });
  }

 private:
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE int row_of(const Warp& warp) {
    return warp.index() * 16 * kDown;
  }

  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void add(Warp& warp, State<Warp>& state, const Keys& q, const Values& d_o,
                                  const Seen& seen, const Step& step, int key, const float* lse,
                                  const float* delta) const {
    typename Warp::template Lanes<device::Sums> p[kDown][kStep / 8], dp[kDown][kStep / 8];
    device::multiply_rows(warp, q, row_of(warp), step.k, p);
    const float scale = g.forward.scale * kLog2E;
    warp.each_lane([&](int lane) {
      each_score(p, lane, [&](float& x, int m, int, int i) {
        x = Warp::exp2(fmaf(scale, x, -kLog2E * lse[row_of(warp) + 16 * m + device::c_row(lane, i)]));
      });
    });
    if (!seen.of_warp[warp.index()].all(key, kStep))
      warp.each_lane([&](int lane) {
        seen.template each_unseen<kDown, kStep / 8>(lane, row_of(warp), key,
                                                    [&](int m, int n, int i) { p[m][n][lane].x[i] = 0; });
      });
    device::multiply_rows(warp, d_o, row_of(warp), step.v, dp);
    warp.each_lane([&](int lane) {
      each_score(p, lane, [&](float& x, int m, int n, int i) {
        x *= dp[m][n][lane].x[i] - delta[row_of(warp) + 16 * m + device::c_row(lane, i)];
      });
    });
    device::add_product(warp, p, step.k, state.dq);
  }
};

template <typename Device>
void attention_delta(Device& device, const DeviceAttention<Bf16>& a, const Bf16* o, const Bf16* d_o,
                     float* delta) {
  const int64_t blocks = divided(a.tokens * a.heads, AttentionDelta::kRows);
  device.template launch_warps<AttentionDelta::kWarps, 4>(
      blocks, 0, AttentionDelta{o, d_o, delta, a.tokens, a.heads, a.value_dim});
}

template <typename Kernel, typename Device>
void launch_grad_keys(Device& device, const WarpAttentionGrad& g, Bf16* dk, Bf16* dv) {
  const int64_t blocks = divided(g.forward.keys, Kernel::kRows);
  device.template launch_warps<Kernel::kWarps, Kernel::kBlocks>(blocks * g.forward.kv_heads, Kernel::kShared,
                                                                Kernel{g, dk, dv});
}

template <typename Device>
void attention_grad_on_tensor_cores(Device& device, const DeviceAttentionGrad<Bf16>& of, Bf16* dq, Bf16* dk,
                                    Bf16* dv) {
  const WarpAttentionGrad g{WarpAttention(of.forward), of.d_o, of.lse, of.delta};
  with_head_widths(g.forward.dim, g.forward.value_dim, [&](auto widths) {
    constexpr int kDim = decltype(widths)::kDim, kValueDim = decltype(widths)::kValueDim;
    if constexpr (kDim + kValueDim > 320) {
      launch_grad_keys<AttentionGradKeys<kDim, kValueDim, true, false>>(device, g, dk, dv);
      launch_grad_keys<AttentionGradKeys<kDim, kValueDim, false, true>>(device, g, dk, dv);
    } else {
      launch_grad_keys<AttentionGradKeys<kDim, kValueDim, true, true>>(device, g, dk, dv);
    }
    using Kernel = AttentionGradQueries<kDim, kValueDim>;
    const int64_t row_blocks = divided(g.forward.tokens, Kernel::kRows);
    device.template launch_warps<Kernel::kWarps, Kernel::kBlocks>(
        row_blocks * g.forward.heads, Kernel::kShared, Kernel{g, dq, static_cast<int>(row_blocks)});
  });
}

}  // namespace tidemark::ops
