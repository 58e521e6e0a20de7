// One channel of RWKV-4's weighted mean, from row to row.
#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

/// Two sums, to be multiplied with exp(exponent): of weighted values and of
/// weights, and going back the gradients of the two.
struct WkvState {
  float values, weights, exponent;
};

/// Its exponent is so small that what it multiplies is nothing, yet finite:
/// differences of two are no NaN.
TIDEMARK_HOST_DEVICE inline WkvState wkv_nothing() {
  return {0, 0, -1e30f};
}

/// exp(x - largest) and exp(y - largest) of two exponents.
struct WkvWeights {
  float largest, a, b;

  TIDEMARK_HOST_DEVICE WkvWeights(float x, float y) : largest(device::larger(x, y)) {
    const float smaller_one = expf(-fabsf(x - y));
    a = x < y ? smaller_one : 1.0f;
    b = x < y ? 1.0f : smaller_one;
  }
};

/// The state after the row of k and v.
TIDEMARK_HOST_DEVICE inline void wkv_advance(WkvState& state, float log_decay, float k, float v) {
  const WkvWeights w(state.exponent + log_decay, k);
  state.values = fmaf(w.a, state.values, w.b * v);
  state.weights = fmaf(w.a, state.weights, w.b);
  state.exponent = w.largest;
}

struct WkvChannel {
  float log_decay, first;
};
struct WkvRows {
  int64_t begin, end;
};

template <typename T>
struct DeviceWkv {
  int64_t rows = 0, channels = 0, chunk_rows = 0, entries = 0;
  const T* k = nullptr;
  const T* v = nullptr;
  const float* time_decay = nullptr;
  const float* time_first = nullptr;
  const int32_t* cu_seqlens = nullptr;

  int64_t sequences() const { return entries - 1; }
  TIDEMARK_HOST_DEVICE WkvRows rows_of(int64_t sequence) const {
    return {cu_seqlens[sequence], cu_seqlens[sequence + 1]};
  }
  TIDEMARK_HOST_DEVICE WkvChannel channel(int64_t i) const { return {-expf(time_decay[i]), time_first[i]}; }
  /// states [chunks, 3, channels].
  TIDEMARK_HOST_DEVICE void save(const WkvState& state, float* states, int64_t chunk, int64_t channel) const {
    float* const to = states + chunk * 3 * channels + channel;
    to[0] = state.values;
    to[channels] = state.weights;
    to[2 * channels] = state.exponent;
  }
  TIDEMARK_HOST_DEVICE WkvState saved(const float* states, int64_t chunk, int64_t channel) const {
    const float* const from = states + chunk * 3 * channels + channel;
    return {from[0], from[channels], from[2 * channels]};
  }
};

/// k, v, time_decay and time_first are inputs `first` and the following.
template <typename T>
DeviceWkv<T> device_wkv(const KernelArgs& args, int first, int cu_seqlens) {
  DeviceWkv<T> s;
  s.rows = args.op.in(first).shape[0];
  s.channels = args.op.in(first).shape[1];
  s.chunk_rows = std::min(s.rows, args.op.attributes().integer("chunk_rows"));
  s.entries = args.op.in(cu_seqlens).shape[0];
  s.k = args.in<T>(first);
  s.v = args.in<T>(first + 1);
  s.time_decay = args.in<float>(first + 2);
  s.time_first = args.in<float>(first + 3);
  s.cu_seqlens = args.in<int32_t>(cu_seqlens);
  return s;
}

}  // namespace tidemark::ops
