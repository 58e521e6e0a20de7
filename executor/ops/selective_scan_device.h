// Mamba's scan (Gu & Dao 2023). Few states are in registers (selective_scan_warp.h); of more, each lane's lie
// beside each other in the block's shared memory, state by state, so that neighbouring lanes use neighbouring
// banks.
#pragma once

#include "executor/device/shared_memory.h"
#include "executor/ops/selective_scan_warp.h"

namespace tidemark::ops {

template <typename T, typename Device, typename Scratch>
void scan_rows(Device& device, const DeviceScan<T>& s, T* y, float* states, const Scratch& scratch) {
  using Group = typename Device::Group;
  device.launch(
      s.sequences * s.blocks, static_cast<int>(s.lanes), scratch.shared_bytes(),
      TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t sequence = index / s.blocks, first = index % s.blocks * s.lanes;
        const int64_t begin = s.cu_seqlens[sequence], end = s.cu_seqlens[sequence + 1];
        float* const a = scratch.template of<float>(group, index);
        float* const h = a + s.states * s.lanes;
        group.each(device::smaller(s.lanes, s.channels - first), [&](int64_t lane) {
          const int64_t channel = first + lane;
          for (int64_t n = 0; n < s.states; ++n) {
            a[n * s.lanes + lane] = s.a(channel, n);
            h[n * s.lanes + lane] = 0;
            // A chunk's state is the one before its first row, also where a sequence begins with it.
            if (begin == 0 && end > 0) states[s.saved(0, n, channel)] = 0;
          }
          for (int64_t row = begin; row < end; ++row) {
            const int64_t at = row * s.channels + channel;
            const float delta = softplus(s.step(row, channel)), u = device::to_float(s.u[at]), x = delta * u;
            const bool saves = (row + 1) % s.chunk_rows == 0 && row + 1 < s.rows;
            float sum = 0;
            for (int64_t n = 0; n < s.states; ++n) {
              float& state = h[n * s.lanes + lane];
              state = fmaf(expf(delta * a[n * s.lanes + lane]), state, s.b(row, n) * x);
              sum = fmaf(s.c(row, n), state, sum);
              if (saves) states[s.saved((row + 1) / s.chunk_rows, n, channel)] = state;
            }
            const float gate = device::to_float(s.z[row * s.z_stride + channel]);
            device::store(y + at, fmaf(s.d[channel], u, sum) * gate * device::sigmoid(gate));
          }
        });
      });
}

template <typename T, typename Device>
void selective_scan_typed(const KernelArgs& args, Device& device) {
  const DeviceScan<T> s = device_scan<T>(args, 0, 7);
  if (cuda::selective_scan_bytes(s.states) == 0)
    return with_scan_pieces(s, {args.out<T>(0)}, [&](auto of_piece) {
      ScanForwardWarps<T, decltype(of_piece)::value> kernel;
      kernel.s = s;
      kernel.y = args.out<T>(0);
      kernel.states = args.out<float>(1);
      run_scan(device, kernel);
    });
  device::with_scratch(device, cuda::selective_scan_bytes(s.states), args.workspace, [&](auto scratch) {
    scan_rows(device, s, args.out<T>(0), args.out<float>(1), scratch);
  });
}

template <typename Device>
void selective_scan_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), selective_scan_typed, args, device);
}

}  // namespace tidemark::ops
