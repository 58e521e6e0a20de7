// What the selective scan and its gradient share on a device: the operands, and what a row is scanned with.
#pragma once

#include "executor/ops/device_operands.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

TIDEMARK_HOST_DEVICE inline float softplus(float x) {
  return device::larger(x, 0.0f) + log1pf(expf(-fabsf(x)));
}

/// A lane has a channel of a sequence, a block some neighbouring channels.
template <typename T>
struct DeviceScan {
  int64_t rows = 0, channels = 0, states = 0, chunk_rows = 0, sequences = 0;
  int64_t lanes = 0;   ///< channels of a block
  int64_t blocks = 0;  ///< of a sequence
  const T* u = nullptr;
  const T* dt = nullptr;
  const T* bc = nullptr;  ///< [rows, 2 * states]
  const T* z = nullptr;   ///< its first column
  int64_t z_stride = 0;
  const float* a_log = nullptr;
  const float* d = nullptr;
  const float* dt_bias = nullptr;
  const int32_t* cu_seqlens = nullptr;

  TIDEMARK_HOST_DEVICE float b(int64_t row, int64_t n) const {
    return device::to_float(bc[row * 2 * states + n]);
  }
  TIDEMARK_HOST_DEVICE float c(int64_t row, int64_t n) const {
    return device::to_float(bc[row * 2 * states + states + n]);
  }
  TIDEMARK_HOST_DEVICE float a(int64_t channel, int64_t n) const {
    return -expf(a_log[channel * states + n]);
  }
  /// Before the softplus.
  TIDEMARK_HOST_DEVICE float step(int64_t row, int64_t channel) const {
    return device::to_float(dt[row * channels + channel]) + dt_bias[channel];
  }
  /// Of the saved states [chunks, states, channels].
  TIDEMARK_HOST_DEVICE int64_t saved(int64_t chunk, int64_t n, int64_t channel) const {
    return (chunk * states + n) * channels + channel;
  }
};

/// u, dt, bc, z, A_log, D and dt_bias are inputs `first` and the following.
template <typename T>
DeviceScan<T> device_scan(const KernelArgs& args, int first, int cu_seqlens) {
  DeviceScan<T> s;
  s.rows = args.op.in(first).shape[0];
  s.channels = args.op.in(first).shape[1];
  s.states = args.op.in(first + 4).shape[1];
  s.chunk_rows = std::min(s.rows, args.op.attributes().integer("chunk_rows"));
  s.sequences = args.op.in(cu_seqlens).shape[0] - 1;
  s.lanes = cuda::selective_scan_lanes(s.states);
  s.blocks = cuda::selective_scan_blocks(s.channels, s.states);
  s.u = args.in<T>(first);
  s.dt = args.in<T>(first + 1);
  s.bc = args.in<T>(first + 2);
  s.z = args.in<T>(first + 3) + args.op.attributes().integer("first_column");
  s.z_stride = args.op.in(first + 3).shape[1];
  s.a_log = args.in<float>(first + 4);
  s.d = args.in<float>(first + 5);
  s.dt_bias = args.in<float>(first + 6);
  s.cu_seqlens = args.in<int32_t>(cu_seqlens);
  return s;
}

}  // namespace tidemark::ops
