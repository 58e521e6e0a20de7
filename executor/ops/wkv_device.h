// RWKV-4's weighted mean (Peng et al. 2023, arXiv 2305.13048): a lane per
// channel of a sequence goes through its rows.
#pragma once

#include "executor/ops/wkv_device_state.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

template <typename T, typename Device>
void wkv_typed(const KernelArgs& args, Device& device) {
  const DeviceWkv<T> s = device_wkv<T>(args, 0, 4);
  T* const y = args.out<T>(0);
  float* const states = args.out<float>(1);
  device.each(
      s.sequences() * s.channels, TIDEMARK_BODY(int64_t lane) {
        const WkvRows rows = s.rows_of(lane / s.channels);
        const int64_t channel = lane % s.channels;
        const WkvChannel c = s.channel(channel);
        WkvState state = wkv_nothing();
        // A chunk's state is the one before its first row, also where a
        // sequence begins with it.
        if (rows.begin == 0 && rows.end > 0) s.save(state, states, 0, channel);
        for (int64_t row = rows.begin; row < rows.end; ++row) {
          const int64_t at = row * s.channels + channel;
          const float k = device::to_float(s.k[at]), v = device::to_float(s.v[at]);
          const WkvWeights mine(state.exponent, k + c.first);
          device::store(y + at, fmaf(mine.a, state.values, mine.b * v) / fmaf(mine.a, state.weights, mine.b));
          wkv_advance(state, c.log_decay, k, v);
          if ((row + 1) % s.chunk_rows == 0 && row + 1 < s.rows)
            s.save(state, states, (row + 1) / s.chunk_rows, channel);
        }
      });
}

/// What a row adds to the gradients of a channel's coefficients.
struct WkvSums {
  double decay = 0, first = 0;
};
static_assert(sizeof(WkvSums) == cuda::kWkvSumsBytes && sizeof(WkvState) == cuda::kWkvStateBytes);

/// One row back: with A and B the sums before it and D = B + exp(k + first), y
/// = (A + exp(k + first) v) / D. D is at least any weight that it sums, so that
/// no product below is of an exponential above 1. `after`, the gradient of the
/// state after the row, becomes that of the one before.
template <typename T>
TIDEMARK_HOST_DEVICE inline void wkv_reverse(const WkvChannel& c, const WkvState& before, float k, float v,
                                             float dy, WkvState& after, WkvSums& sums, T* dk, T* dv) {
  const WkvWeights mine(before.exponent, k + c.first);
  const float inverse = 1 / fmaf(mine.a, before.weights, mine.b);
  const float y = fmaf(mine.a, before.values, mine.b * v) * inverse;
  const float dvalues = dy * inverse, dfirst = mine.b * dvalues * (v - y);
  const float added = expf(device::smaller(0.0f, k + after.exponent));
  const float kept = expf(device::smaller(0.0f, before.exponent + c.log_decay + after.exponent));
  device::store(dv, fmaf(added, after.values, mine.b * dvalues));
  device::store(dk, fmaf(added, fmaf(after.values, v, after.weights), dfirst));
  sums.first += static_cast<double>(dfirst);
  sums.decay += static_cast<double>(kept * fmaf(after.values, before.values, after.weights * before.weights));
  const WkvWeights next(after.exponent + c.log_decay, -mine.largest);
  after.values = fmaf(next.a, after.values, next.b * dvalues);
  after.weights = fmaf(next.a, after.weights, next.b * -dvalues * y);
  after.exponent = next.largest;
}

// Chunk by chunk from the last: the states before each of its rows are made
// again, then gone back through. A chunk's rows are read before they are
// written, so that dk and dv may be stored over k, v and dy.
template <typename T, typename Device>
void wkv_grad_typed(const KernelArgs& args, Device& device) {
  const DeviceWkv<T> s = device_wkv<T>(args, 1, 6);
  const T* const dy = args.in<T>(0);
  const float* const states = args.in<float>(5);
  T* const dk = args.out<T>(0);
  T* const dv = args.out<T>(1);
  const int64_t lanes = s.sequences() * s.channels;
  auto* const sums = static_cast<WkvSums*>(args.workspace);              // of each lane
  auto* const chunk_states = reinterpret_cast<WkvState*>(sums + lanes);  // [chunk_rows, lanes]
  device.each(
      lanes, TIDEMARK_BODY(int64_t lane) {
        const WkvRows rows = s.rows_of(lane / s.channels);
        const int64_t channel = lane % s.channels;
        const WkvChannel c = s.channel(channel);
        WkvState carried = wkv_nothing();
        WkvSums sum;
        for (int64_t end = rows.end; end > rows.begin;) {
          const int64_t chunk = (end - 1) / s.chunk_rows, chunk_begin = chunk * s.chunk_rows;
          const int64_t begin = device::larger(rows.begin, chunk_begin);
          WkvState state = rows.begin < chunk_begin ? s.saved(states, chunk, channel) : wkv_nothing();
          for (int64_t row = begin; row < end; ++row) {
            chunk_states[(row - begin) * lanes + lane] = state;
            const int64_t at = row * s.channels + channel;
            wkv_advance(state, c.log_decay, device::to_float(s.k[at]), device::to_float(s.v[at]));
          }
          for (int64_t row = end; row-- > begin;) {
            const int64_t at = row * s.channels + channel;
            wkv_reverse(c, chunk_states[(row - begin) * lanes + lane], device::to_float(s.k[at]),
                        device::to_float(s.v[at]), device::to_float(dy[at]), carried, sum, dk + at, dv + at);
          }
          end = begin;
        }
        sums[lane] = sum;
      });

  float* const dtime_decay = args.out<float>(2);
  float* const dtime_first = args.out<float>(3);
  device.each(
      s.channels, TIDEMARK_BODY(int64_t channel) {
        WkvSums total;
        for (int64_t lane = channel; lane < lanes; lane += s.channels) {
          total.decay += sums[lane].decay;
          total.first += sums[lane].first;
        }
        // d(-exp(x))/dx = -exp(x).
        dtime_decay[channel] =
            static_cast<float>(total.decay * static_cast<double>(s.channel(channel).log_decay));
        dtime_first[channel] = static_cast<float>(total.first);
      });
}

template <typename Device>
void wkv_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), wkv_typed, args, device);
}
template <typename Device>
void wkv_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), wkv_grad_typed, args, device);
}

}  // namespace tidemark::ops
