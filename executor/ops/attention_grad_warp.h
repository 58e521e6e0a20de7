// The gradient of attention on tensor cores. Every sum has one writer: dk and dv by blocks of keys, whose
// scores stand with keys down and queries across, dq by blocks of queries. Either way, what a warp's products
// are summed over lies across, so that probabilities go from one product to the next within registers.
#pragma once

#include "base/divided.h"
#include "executor/device/shared_memory.h"
#include "executor/ops/attention_grad_keys_warp.h"
#include "executor/ops/attention_grad_queries_warp.h"

namespace tidemark::ops {

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

template <typename Device>
void attention_delta(Device& device, const DeviceAttention<Bf16>& a, const Bf16* o, const Bf16* d_o,
                     float* delta) {
  const int64_t blocks = divided(a.tokens * a.heads, AttentionDelta::kRows);
  device.template launch_warps<AttentionDelta::kWarps, 4>(
      blocks, 0, AttentionDelta{o, d_o, delta, a.tokens, a.heads, a.value_dim});
}

template <int kDim, int kValueDim, bool kOfKeys, bool kOfValues, typename Device>
void launch_grad_keys(Device& device, const WarpAttentionGrad& g, const GradParts& parts, Bf16* dk,
                      Bf16* dv) {
  using Large = AttentionGradKeys<kDim, kValueDim, kOfKeys, kOfValues, false>;
  using Small = AttentionGradKeys<kDim, kValueDim, kOfKeys, kOfValues, true>;
  device::with_room<Large, Small>(device, [&](auto chosen) {
    using Kernel = typename decltype(chosen)::type;
    const int64_t blocks = divided(g.forward.keys, Kernel::kRows) * g.forward.kv_heads;
    device.template launch_warps<Kernel::kWarps, Kernel::kBlocks>(blocks * parts.count, Kernel::kShared,
                                                                  Kernel{g, dk, dv, parts});
  });
}

template <int kDim, int kValueDim, typename Device>
void launch_grad_queries(Device& device, const WarpAttentionGrad& g, Bf16* dq) {
  using Large = AttentionGradQueries<kDim, kValueDim, false>;
  using Small = AttentionGradQueries<kDim, kValueDim, true>;
  device::with_room<Large, Small>(device, [&](auto chosen) {
    using Kernel = typename decltype(chosen)::type;
    const int64_t row_blocks = divided(g.forward.tokens, Kernel::kRows);
    device.template launch_warps<Kernel::kWarps, Kernel::kBlocks>(
        row_blocks * g.forward.heads, Kernel::kShared, Kernel{g, dq, static_cast<int>(row_blocks)});
  });
}

/// dk and dv are the sums of their parts, in order.
template <typename Device>
void add_parts(Device& device, const WarpAttention& a, const GradParts& parts, Bf16* dk, Bf16* dv) {
  const int64_t of_keys = int64_t{a.keys} * a.k_columns, of_values = int64_t{a.keys} * a.v_columns;
  device.each(
      of_keys + of_values, TIDEMARK_BODY(int64_t i) {
        float sum = 0;
        for (int part = 0; part < parts.count; ++part) sum += parts.at[part * (of_keys + of_values) + i];
        device::store(i < of_keys ? dk + i : dv + (i - of_keys), sum);
      });
}

template <typename Device>
void attention_grad_on_tensor_cores(Device& device, const DeviceAttentionGrad<Bf16>& of, Bf16* dq, Bf16* dk,
                                    Bf16* dv) {
  const WarpAttentionGrad g{WarpAttention(of.forward), of.d_o, of.lse, of.delta};
  const WarpAttention& a = g.forward;
  GradParts parts;
  parts.count = GradParts::count_of(a, divided(a.keys, 128) * a.kv_heads);
  parts.at = reinterpret_cast<float*>(dq);
  with_head_widths(a.dim, a.value_dim, [&](auto widths) {
    constexpr int kDim = decltype(widths)::kDim, kValueDim = decltype(widths)::kValueDim;
    if constexpr (kDim + kValueDim > 320) {
      launch_grad_keys<kDim, kValueDim, true, false>(device, g, parts, dk, dv);
      launch_grad_keys<kDim, kValueDim, false, true>(device, g, parts, dk, dv);
    } else {
      launch_grad_keys<kDim, kValueDim, true, true>(device, g, parts, dk, dv);
    }
    if (parts.count > 1) add_parts(device, a, parts, dk, dv);
    launch_grad_queries<kDim, kValueDim>(device, g, dq);
  });
}

}  // namespace tidemark::ops
