// The gradient of Mamba's scan: chunk by chunk from the last, the states of its rows are made again, then
// gone back through. Of few states that is selective_scan_grad_warp.h.
#pragma once

#include "executor/device/shared_memory.h"
#include "executor/ops/column_sum_device.h"
#include "executor/ops/selective_scan_grad_warp.h"

namespace tidemark::ops {

/// Where the parts are that blocks leave, for their sums, and of many states those of a chunk.
struct ScanGradSpace : ScanGradSums {
  float* history = nullptr;  ///< [chunk_rows, states, sequences * channels]: after each row
  float* spilled = nullptr;  ///< blocks' scratch, where shared memory does not hold it
};

template <typename T>
ScanGradSpace scan_grad_space(const KernelArgs& args, const DeviceScan<T>& s) {
  const int64_t lanes = s.sequences * s.channels;
  ScanGradSpace space;
  space.history = static_cast<float*>(args.workspace);
  space.of_bc = space.history;
  if (cuda::selective_scan_grad_bytes(s.states) > 0) space.of_bc += s.chunk_rows * s.states * lanes;
  space.of_a = space.of_bc + s.blocks * s.rows * 2 * s.states;
  space.of_d = space.of_a + s.states * lanes;
  space.of_dt_bias = space.of_d + lanes;
  space.spilled = space.of_dt_bias + lanes;
  return space;
}

/// What a block has in shared memory: of each lane and state, what is carried from row to row, and a row's
/// parts of the gradients of B and C.
struct ScanGradShared {
  int64_t states, lanes;
  float* at;

  TIDEMARK_DEVICE float& a(int64_t n, int64_t lane) const { return at[n * lanes + lane]; }
  TIDEMARK_DEVICE float& dh(int64_t n, int64_t lane) const { return at[(states + n) * lanes + lane]; }
  TIDEMARK_DEVICE float& da(int64_t n, int64_t lane) const { return at[(2 * states + n) * lanes + lane]; }
  TIDEMARK_DEVICE float& dd(int64_t lane) const { return at[3 * states * lanes + lane]; }
  TIDEMARK_DEVICE float& ddt_bias(int64_t lane) const { return at[(3 * states + 1) * lanes + lane]; }
  /// n: a state for B, states + a state for C. An odd stride keeps the lanes of one in different banks.
  TIDEMARK_DEVICE float& dbc(int64_t n, int64_t lane) const {
    return at[(3 * states + 2) * lanes + n * (lanes + 1) + lane];
  }
};

/// The gradients that a row of one lane gives.
template <typename T>
struct ScanRowGrad {
  const T* dy;
  T* du;
  T* ddt;
  T* dz;  ///< its first column; added to
};

/// One row back. before(n) and after(n) are the states around it.
template <typename T, typename Before, typename After>
TIDEMARK_DEVICE void reverse_scan_row(const DeviceScan<T>& s, const ScanGradShared& shared,
                                      const ScanRowGrad<T>& g, int64_t row, int64_t channel, int64_t lane,
                                      const Before& before, const After& after) {
  const int64_t at = row * s.channels + channel;
  const float u = device::to_float(s.u[at]), dy = device::to_float(g.dy[at]);
  const float step = s.step(row, channel), delta = softplus(step), x = delta * u;
  const float gate = device::to_float(s.z[row * s.z_stride + channel]), gated = device::sigmoid(gate);
  const float dvalue = dy * gate * gated;
  float scanned = 0, dx = 0, ddelta = 0;
  for (int64_t n = 0; n < s.states; ++n) {
    const float a = shared.a(n, lane), b = s.b(row, n), c = s.c(row, n), state = after(n);
    const float grad = fmaf(c, dvalue, shared.dh(n, lane));
    scanned = fmaf(c, state, scanned);
    dx = fmaf(grad, b, dx);
    shared.dbc(n, lane) = grad * x;
    shared.dbc(s.states + n, lane) = dvalue * state;
    const float passed = grad * expf(delta * a);
    const float exponent = passed * before(n);
    ddelta = fmaf(exponent, a, ddelta);
    shared.da(n, lane) = fmaf(exponent, delta, shared.da(n, lane));
    shared.dh(n, lane) = passed;
  }
  const float skip = s.d[channel], value = fmaf(skip, u, scanned);
  const float dstep = fmaf(dx, u, ddelta) * device::sigmoid(step);
  T* const dz = g.dz + row * s.z_stride + channel;
  device::store(dz, fmaf(dy * value * gated, fmaf(gate, 1.0f - gated, 1.0f), device::to_float(*dz)));
  device::store(g.ddt + at, dstep);
  device::store(g.du + at, fmaf(dx, delta, skip * dvalue));
  shared.dd(lane) = fmaf(dvalue, u, shared.dd(lane));
  shared.ddt_bias(lane) += dstep;
}

template <typename T, typename Device, typename Scratch>
void scan_back(Device& device, const DeviceScan<T>& s, const ScanGradSpace& space, const ScanRowGrad<T>& g,
               const float* states, const Scratch& scratch) {
  using Group = typename Device::Group;
  const int64_t all_lanes = s.sequences * s.channels;
  device.launch(
      s.sequences * s.blocks, static_cast<int>(s.lanes), scratch.shared_bytes(),
      TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t sequence = index / s.blocks, block = index % s.blocks, first = block * s.lanes;
        const int64_t width = device::smaller(s.lanes, s.channels - first);
        const int64_t begin = s.cu_seqlens[sequence], end = s.cu_seqlens[sequence + 1];
        const ScanGradShared shared{s.states, s.lanes, scratch.template of<float>(group, index)};
        group.each(width, [&](int64_t lane) {
          for (int64_t n = 0; n < s.states; ++n) {
            shared.a(n, lane) = s.a(first + lane, n);
            shared.dh(n, lane) = shared.da(n, lane) = 0;
          }
          shared.dd(lane) = shared.ddt_bias(lane) = 0;
        });
        for (int64_t after_chunk = end; after_chunk > begin;) {
          const int64_t chunk = (after_chunk - 1) / s.chunk_rows;
          const int64_t chunk_begin = device::larger(begin, chunk * s.chunk_rows);
          const bool continues = begin < chunk * s.chunk_rows;
          const auto at = [&](int64_t row, int64_t n, int64_t lane) {
            return ((row - chunk_begin) * s.states + n) * all_lanes + sequence * s.channels + first + lane;
          };
          const auto state_before = [&](int64_t row, int64_t n, int64_t lane) {
            if (row > chunk_begin) return space.history[at(row - 1, n, lane)];
            return continues ? states[s.saved(chunk, n, first + lane)] : 0.0f;
          };
          group.each(width, [&](int64_t lane) {
            for (int64_t row = chunk_begin; row < after_chunk; ++row) {
              const float delta = softplus(s.step(row, first + lane));
              const float x = delta * device::to_float(s.u[row * s.channels + first + lane]);
              for (int64_t n = 0; n < s.states; ++n)
                space.history[at(row, n, lane)] =
                    fmaf(expf(delta * shared.a(n, lane)), state_before(row, n, lane), s.b(row, n) * x);
            }
          });
          for (int64_t row = after_chunk; row-- > chunk_begin;) {
            group.each(width, [&](int64_t lane) {
              reverse_scan_row(
                  s, shared, g, row, first + lane, lane,
                  [&](int64_t n) { return state_before(row, n, lane); },
                  [&](int64_t n) { return space.history[at(row, n, lane)]; });
            });
            group.each(2 * s.states, [&](int64_t n) {
              float sum = 0;
              for (int64_t lane = 0; lane < width; ++lane) sum += shared.dbc(n, lane);
              space.of_bc[(block * s.rows + row) * 2 * s.states + n] = sum;
            });
          }
          after_chunk = chunk_begin;
        }
        group.each(width, [&](int64_t lane) {
          const int64_t own = sequence * s.channels + first + lane;
          for (int64_t n = 0; n < s.states; ++n) space.of_a[own * s.states + n] = shared.da(n, lane);
          space.of_d[own] = shared.dd(lane);
          space.of_dt_bias[own] = shared.ddt_bias(lane);
        });
      });
}

template <typename T, typename Device>
void scan_back_in_registers(const KernelArgs& args, Device& device, const DeviceScan<T>& s,
                            const ScanGradSums& sums, const ScanRowGrad<T>& g) {
  const auto run = [&](auto of_piece) {
    ScanBackWarps<T, decltype(of_piece)::value> kernel;
    kernel.s = s;
    kernel.dy = g.dy;
    kernel.du = g.du;
    kernel.ddt = g.ddt;
    kernel.dz = g.dz;
    kernel.states = args.in<float>(8);
    kernel.sums = sums;
    run_scan(device, kernel);
  };
  with_scan_pieces(s, {g.dy, g.du, g.ddt}, run);
}

template <typename T, typename Device>
void selective_scan_grad_typed(const KernelArgs& args, Device& device) {
  const DeviceScan<T> s = device_scan<T>(args, 1, 9);
  const ScanGradSpace space = scan_grad_space(args, s);
  if (!args.op.has_in(10)) device.zero(args.outputs[3], args.op.out(3).bytes());
  T* const dz = args.out<T>(3) + args.op.attributes().integer("first_column");
  const ScanRowGrad<T> of_rows{args.in<T>(0), args.out<T>(0), args.out<T>(1), dz};
  if (cuda::selective_scan_grad_bytes(s.states) == 0)
    scan_back_in_registers(args, device, s, space, of_rows);
  else
    device::with_scratch(device, cuda::selective_scan_grad_bytes(s.states), space.spilled, [&](auto scratch) {
      scan_back(device, s, space, of_rows, args.in<float>(8), scratch);
    });

  T* const dbc = args.out<T>(2);
  const int64_t elements = s.rows * 2 * s.states;
  device.each(
      elements, TIDEMARK_BODY(int64_t i) {
        float sum = 0;
        for (int64_t block = 0; block < s.blocks; ++block) sum += space.of_bc[block * elements + i];
        device::store(dbc + i, sum);
      });
  const int64_t coefficients = s.channels * s.states;
  float* const da_log = args.out<float>(4);
  const auto over_sequences = [&](const float* parts, int64_t n, float* sum) {
    sum_columns<float, float>(device, parts, s.sequences, n, n, nullptr, sum);
  };
  over_sequences(space.of_a, coefficients, da_log);
  over_sequences(space.of_d, s.channels, args.out<float>(5));
  over_sequences(space.of_dt_bias, s.channels, args.out<float>(6));
  device.each(
      coefficients, TIDEMARK_BODY(int64_t i) { da_log[i] *= -expf(s.a_log[i]); });  // dA/dA_log = A
}

template <typename Device>
void selective_scan_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), selective_scan_grad_typed, args, device);
}

}  // namespace tidemark::ops
