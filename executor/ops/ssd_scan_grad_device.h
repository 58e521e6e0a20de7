// The gradient of Mamba-2's scan on a device, as scans; on tensor cores in chunks. With h the states and G
// the gradients of the states after a row, a head has dx from G^T B, a group dC from its heads' h dy and dB
// from their G x. What a row's decay receives, the sum of G decay h over a state, follows from products that
// are there anyway: it is what the row's and later y have of earlier rows, less what they have of rows from
// this one on. That sum over the rows that follow begins anew where a state was saved.
#pragma once

#include "executor/ops/ssd_scan_device.h"
#include "executor/ops/ssd_scan_grad_chunks.h"

namespace tidemark::ops {

template <typename T>
struct SsdGradients {
  const T* dy = nullptr;          ///< [rows, heads * columns]
  const float* states = nullptr;  ///< saved
  T* dxbc = nullptr;
  float* db = nullptr;  ///< [rows, groups * states], as the next
  float* dc = nullptr;
  float* read = nullptr;     ///< [slices, rows, heads], as the next: dy times what y has of earlier rows
  float* written = nullptr;  ///< x times what its gradient has of later rows, per step
  float* kept = nullptr;     ///< and of its own row
  float* turns = nullptr;    ///< [slices, chunks, heads]: what the decays into a chunk's first row receive
  float* of_d = nullptr;     ///< [parts, heads]
  float* of_a = nullptr;     ///< [sequences, heads], as the next
  float* of_dt_bias = nullptr;
  int64_t chunks = 0;
};

/// y dy of each row.
template <typename T>
struct SsdRead : SsdForward<T> {
  using SsdForward<T>::s;
  static constexpr bool kApart = true;
  SsdGradients<T> g;

  TIDEMARK_HOST_DEVICE OuterDots out(int64_t row, int64_t head, int64_t p, float carried, float) const {
    return {carried * device::to_float(g.dy[(row * s.heads + head) * s.columns + p]), 0};
  }
  TIDEMARK_HOST_DEVICE void dot(int64_t row, int64_t head, int64_t slice, OuterDots sum) const {
    g.read[(slice * s.rows + row) * s.heads + head] = sum.carried;
  }
};

/// dx, over x where that is its place.
template <typename T>
struct SsdWritten : OuterScan {
  static constexpr bool kApart = true, kTurns = true;
  DeviceSsd<T> s;
  SsdGradients<T> g;
  int64_t group_heads = 1;

  TIDEMARK_HOST_DEVICE float query(int64_t row, int64_t head, int64_t n) const {
    return s.b(row, head / group_heads, n);
  }
  TIDEMARK_HOST_DEVICE float left(int64_t row, int64_t head, int64_t n) const {
    return s.c(row, head / group_heads, n);
  }
  TIDEMARK_HOST_DEVICE float right(int64_t row, int64_t head, int64_t p) const {
    return device::to_float(g.dy[(row * s.heads + head) * s.columns + p]);
  }
  TIDEMARK_HOST_DEVICE float decay(int64_t row, int64_t head, int64_t) const {
    return s.decay[(row + 1) * s.heads + head];
  }
  TIDEMARK_HOST_DEVICE bool turns(int64_t row) const { return (row + 1) % s.chunk_rows == 0; }
  TIDEMARK_HOST_DEVICE float before(int64_t row, int64_t head, int64_t n, int64_t p) const {
    return g.states[s.saved((row + 1) / s.chunk_rows, head, n, p)];
  }
  TIDEMARK_HOST_DEVICE void turn(int64_t row, int64_t head, int64_t slice, float sum) const {
    g.turns[(slice * g.chunks + (row + 1) / s.chunk_rows) * s.heads + head] = sum;
  }
  TIDEMARK_HOST_DEVICE OuterDots out(int64_t row, int64_t head, int64_t p, float carried, float own) const {
    const float x = s.x(row, head, p), dy = right(row, head, p);
    device::store(g.dxbc + row * s.stride + head * s.columns + p,
                  fmaf(s.delta[row * s.heads + head], fmaf(own, dy, carried), s.d[head] * dy));
    return {carried * x, own * dy * x};
  }
  TIDEMARK_HOST_DEVICE void dot(int64_t row, int64_t head, int64_t slice, OuterDots sum) const {
    const int64_t at = (slice * s.rows + row) * s.heads + head;
    g.written[at] = sum.carried;
    g.kept[at] = sum.own;
  }
};

/// dC, or going back dB: of a group, whose columns of x are the left of one state.
template <typename T, bool kReverse>
struct SsdGroup : OuterScan {
  static constexpr bool kDecaysDiffer = true;
  DeviceSsd<T> s;
  const T* dy = nullptr;
  int64_t group_heads = 1;
  float* to = nullptr;

  TIDEMARK_HOST_DEVICE int64_t head(int64_t group, int64_t i) const {
    return group * group_heads + static_cast<int32_t>(i) / static_cast<int32_t>(s.columns);
  }
  TIDEMARK_HOST_DEVICE float input(int64_t row, int64_t group, int64_t i) const {
    return s.delta[row * s.heads + head(group, i)] * s.x(row, group * group_heads, i);
  }
  TIDEMARK_HOST_DEVICE float gradient(int64_t row, int64_t group, int64_t i) const {
    return device::to_float(dy[(row * s.heads + group * group_heads) * s.columns + i]);
  }
  TIDEMARK_HOST_DEVICE float query(int64_t row, int64_t group, int64_t i) const {
    return kReverse ? input(row, group, i) : gradient(row, group, i);
  }
  TIDEMARK_HOST_DEVICE float left(int64_t row, int64_t group, int64_t i) const {
    return kReverse ? gradient(row, group, i) : input(row, group, i);
  }
  TIDEMARK_HOST_DEVICE float right(int64_t row, int64_t group, int64_t n) const {
    return kReverse ? s.c(row, group, n) : s.b(row, group, n);
  }
  TIDEMARK_HOST_DEVICE float decay(int64_t row, int64_t group, int64_t i) const {
    return s.decay[(kReverse ? row + 1 : row) * s.heads + head(group, i)];
  }
  TIDEMARK_HOST_DEVICE void out(int64_t row, int64_t group, int64_t n, float sum) const {
    to[(row * s.groups + group) * s.states + n] = sum;
  }
};

/// The sum of number i of every slice's `count`.
TIDEMARK_HOST_DEVICE inline float over_slices(const OuterShape& shape, const float* parts, int64_t count,
                                              int64_t i) {
  float sum = 0;
  for (int64_t slice = 0; slice < shape.slices; ++slice) sum += parts[slice * count + i];
  return sum;
}

/// ddt, added to what is there, and each sequence's parts of the gradients of A_log and dt_bias.
template <typename T, typename Device>
void ssd_steps_back(Device& device, const OuterShape& shape, const DeviceSsd<T>& s, const SsdGradients<T>& g,
                    T* ddt) {
  device.each(
      shape.sequences * s.heads, TIDEMARK_BODY(int64_t lane) {
        const int64_t sequence = lane / s.heads, head = lane % s.heads;
        const int64_t begin = shape.cu_seqlens[sequence], end = shape.cu_seqlens[sequence + 1];
        const float a = s.a(head);
        double following = 0, of_a = 0, of_dt_bias = 0;
        for (int64_t row = end; row-- > begin;) {
          const int64_t at = row * s.heads + head;
          if ((row + 1) % s.chunk_rows == 0 && row + 1 < end)
            following = static_cast<double>(
                over_slices(shape, g.turns, g.chunks * s.heads, (row + 1) / s.chunk_rows * s.heads + head));
          const float delta = s.delta[at], written = over_slices(shape, g.written, s.rows * s.heads, at);
          following +=
              static_cast<double>(over_slices(shape, g.read, s.rows * s.heads, at) - delta * written);
          // Into its first row a sequence carries nothing that could decay.
          const float kept = over_slices(shape, g.kept, s.rows * s.heads, at);
          const float exponent = row == begin ? 0.0f : static_cast<float>(following);
          const float dstep = ssd_step_back(s, row, head, fmaf(exponent, a, written + kept), ddt);
          of_a += static_cast<double>(exponent * delta);
          of_dt_bias += static_cast<double>(dstep);
        }
        g.of_a[lane] = static_cast<float>(of_a) * a;  // dA/dA_log = A
        g.of_dt_bias[lane] = static_cast<float>(of_dt_bias);
      });
}

template <typename T>
SsdGradients<T> ssd_gradients(const KernelArgs& args, const DeviceSsd<T>& s, const OuterShape& shape) {
  SsdGradients<T> g;
  g.dy = args.in<T>(0);
  g.states = args.in<float>(6);
  g.dxbc = args.out<T>(0);
  g.chunks = args.op.in(6).shape[0];
  const int64_t row_heads = s.rows * s.heads, group_states = s.rows * s.groups * s.states;
  g.db = s.decay + row_heads;
  g.dc = g.db + group_states;
  g.read = g.dc + group_states;
  g.written = g.read + shape.slices * row_heads;
  g.kept = g.written + shape.slices * row_heads;
  g.turns = g.kept + shape.slices * row_heads;
  g.of_d = g.turns + shape.slices * g.chunks * s.heads;
  g.of_a = g.of_d + cuda::row_parts(s.rows) * s.heads;
  g.of_dt_bias = g.of_a + shape.sequences * s.heads;
  return g;
}

template <typename T, bool kReverse, typename Device>
void ssd_group_scan(const KernelArgs& args, Device& device, const DeviceSsd<T>& s, void* spilled, float* to) {
  SsdGroup<T, kReverse> scan;
  scan.s = s;
  scan.dy = args.in<T>(0);
  scan.group_heads = s.group_heads();
  scan.to = to;
  outer_scan<kReverse>(device,
                       outer_shape(args, 7, s.groups, scan.group_heads * s.columns, s.states, spilled), scan);
}

// dxbc may be stored over xbc: dB and dC wait in the workspace, and dx is the last to be made.
template <typename T, typename Device>
void ssd_scan_grad_typed(const KernelArgs& args, Device& device) {
  const DeviceSsd<T> s = device_ssd<T>(args, device, 1);
  OuterShape shape = outer_shape(args, 7, s.heads, s.states, s.columns, nullptr);
  if (!args.op.has_in(8)) device.zero(args.outputs[1], args.op.out(1).bytes());
  if constexpr (std::is_same_v<T, Bf16>)
    if (cuda::ssd_on_tensor_cores(args.op, 1)) return ssd_scan_grad_on_tensor_cores(args, device, s, shape);
  const SsdGradients<T> g = ssd_gradients(args, s, shape);
  shape.spilled = g.of_dt_bias + shape.sequences * s.heads;
  ssd_group_scan<T, false>(args, device, s, shape.spilled, g.dc);
  ssd_group_scan<T, true>(args, device, s, shape.spilled, g.db);
  SsdRead<T> read;
  read.s = s;
  read.group_heads = s.group_heads();
  read.g = g;
  outer_scan<false>(device, shape, read);
  ssd_of_d(device, s, g.dy, g.of_d);
  SsdWritten<T> written;
  written.s = s;
  written.g = g;
  written.group_heads = s.group_heads();
  outer_scan<true>(device, shape, written);
  ssd_steps_back(device, shape, s, g, args.out<T>(1) + args.op.attributes().integer("first_column"));

  ssd_store_group(device, s, g.db, g.dc, 1, 0, g.dxbc);
  ssd_sum_up(args, device, s, g.of_a, g.of_d, g.of_dt_bias, shape.sequences);
}

template <typename Device>
void ssd_scan_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), ssd_scan_grad_typed, args, device);
}

}  // namespace tidemark::ops
