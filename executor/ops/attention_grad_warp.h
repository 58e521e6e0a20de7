// The gradient of attention on tensor cores. Every sum has one writer: dk and dv by blocks of keys, whose
// scores stand with keys down and queries across, dq by blocks of queries. Either way, what a warp's products
// are summed over lies across, so that probabilities go from one product to the next within registers.
#pragma once

#include "base/divided.h"
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
