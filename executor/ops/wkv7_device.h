// RWKV-7's recurrence (Peng et al. 2025) on a device, on tensor cores where they take it, or as it is written
// down: a block has a head of a sequence, a lane one of its values, whose row of the state depends on no
// other.
#pragma once

#include "executor/device/shared_memory.h"
#include "executor/ops/wkv7_device_rows.h"
#include "executor/ops/wkv7_warp.h"

namespace tidemark::ops {

template <typename T, typename Device, typename Scratch>
void wkv7_recurrence(Device& device, const DeviceWkv7<T>& s, T* y, float* states, const Scratch& scratch) {
  using Group = typename Device::Group;
  const int64_t n = s.columns, stride = s.stride();
  device.launch(
      s.sequences * s.heads, lanes_for(n), scratch.shared_bytes(),
      TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t sequence = index / s.heads, head = index % s.heads;
        const int64_t begin = s.cu_seqlens[sequence], end = s.cu_seqlens[sequence + 1];
        float* const state = scratch.template of<float>(group, index);
        const Wkv7Tile tile(state + n * stride, stride);
        group.each(n * stride, [&](int64_t i) { state[i] = 0; });
        for (int64_t row = begin; row < end; row += cuda::kWkv7Rows) {
          const int64_t rows = device::smaller(cuda::kWkv7Rows, end - row);
          load_tile(group, s, head, row, rows, tile);
          group.each(n, [&](int64_t i) {
            for (int64_t t = 0; t < rows; ++t) {
              device::store(y + s.at(row + t, head) + i, advance_value(tile, n, t, i, state + i * stride).y);
              const int64_t next = row + t + 1;
              if (next % s.chunk_rows > 0 || next == s.rows) continue;
              float* const to = states + s.saved(next / s.chunk_rows, head) + i * n;
              for (int64_t j = 0; j < n; ++j) to[j] = state[i * stride + j];
            }
          });
        }
      });
}

template <typename T, typename Device>
void wkv7_typed(const KernelArgs& args, Device& device) {
  const DeviceWkv7<T> s = device_wkv7<T>(args, 0, 7);
  T* const y = args.out<T>(0);
  float* const states = args.out<float>(1);
  device.zero(states, 4 * s.saved(1, 0));
  if constexpr (std::is_same_v<T, Bf16>)
    if (cuda::wkv7_on_tensor_cores(args.op, 0)) return wkv7_on_tensor_cores(device, s, y, states);
  device::with_scratch(device, cuda::wkv7_block_bytes(s.columns), args.workspace,
                       [&](auto scratch) { wkv7_recurrence(device, s, y, states, scratch); });
}

template <typename Device>
void wkv7_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), wkv7_typed, args, device);
}

}  // namespace tidemark::ops
