// What both forms of the gradient of RWKV-7's recurrence share on a device: the operands, and the step from
// the gradients of what the recurrence takes to theirs.
#pragma once

#include "executor/ops/wkv7_device_rows.h"

namespace tidemark::ops {

template <typename T>
struct DeviceWkv7Grad {
  DeviceWkv7<T> s;
  const T* dy = nullptr;
  const float* states = nullptr;
  const T* dr_acc = nullptr;  ///< here and below, null: zero
  const T* dk_acc = nullptr;
  const T* dv_acc = nullptr;
  const T* da_acc = nullptr;
  T* dr = nullptr;
  T* dw = nullptr;
  T* dk = nullptr;
  T* dv = nullptr;
  T* da = nullptr;
  float* of_k_k = nullptr;  ///< [sequences, heads * columns], as the next
  float* of_k_a = nullptr;
  float* pieces = nullptr;    ///< of each block, the state before every piece of a chunk
  float* alongs = nullptr;    ///< and of each row the state before it times its `a`
  int64_t pieces_floats = 0;  ///< of a block, as the next
  int64_t alongs_floats = 0;
};

template <typename T>
DeviceWkv7Grad<T> device_wkv7_grad(const KernelArgs& args) {
  DeviceWkv7Grad<T> g;
  g.s = device_wkv7<T>(args, 1, 9);
  g.dy = args.in<T>(0);
  g.states = args.in<float>(8);
  const T** const starts[] = {&g.dr_acc, &g.dk_acc, &g.dv_acc, &g.da_acc};
  for (int i = 0; i < 4; ++i) *starts[i] = args.op.has_in(10 + i) ? args.in<T>(10 + i) : nullptr;
  T** const outputs[] = {&g.dr, &g.dw, &g.dk, &g.dv, &g.da};
  for (int i = 0; i < 5; ++i) *outputs[i] = args.out<T>(i);
  const cuda::Wkv7GradSpace space = cuda::wkv7_grad_space(args.op);
  const int64_t sums = g.s.sequences * g.s.heads * g.s.columns;
  g.of_k_k = static_cast<float*>(args.workspace);
  g.of_k_a = g.of_k_k + sums;
  g.pieces = g.of_k_a + sums;
  g.alongs = g.pieces + g.s.sequences * g.s.heads * space.pieces;
  g.pieces_floats = space.pieces;
  g.alongs_floats = space.alongs;
  return g;
}

/// An element of a row of a head, as the op takes it: key, the sigmoids of a and w, two parameters; and what
/// is made of it.
struct Wkv7RowOperands {
  float key, rate, open, k_k, k_a, minus_direction, inverse_norm;
};
/// Their gradients, and what the parameters' get of the row.
struct Wkv7RowGradients {
  float w, k, a, k_k, k_a;
};
/// From the gradients of b and the replaced key, of the decay's logarithm and of the key's direction, whose
/// product with minus the direction is `dot` over the head.
TIDEMARK_HOST_DEVICE inline Wkv7RowGradients wkv7_row_gradients(const Wkv7RowOperands& of, float db, float dk,
                                                                float dlog_decay, float ddirection,
                                                                float dot) {
  const float closed = 1.0f - of.rate, along = of.inverse_norm < 1 / kWkv7LeastNorm ? dot : 0.0f;
  // The part of the direction's gradient along the direction moves it not.
  const float dscaled = of.inverse_norm * fmaf(-of.minus_direction, along, ddirection);
  const float drate = fmaf(-db, of.minus_direction, dk * of.key * of.k_a);
  Wkv7RowGradients found;
  found.w = dlog_decay * kWkv7LogDecay * of.open * (1.0f - of.open);
  found.k = fmaf(dk, fmaf(-closed, of.k_a, 1.0f), dscaled * of.k_k);
  found.a = drate * of.rate * closed;
  found.k_k = of.key * dscaled;
  found.k_a = dk * of.key * -closed;
  return found;
}

template <typename T>
TIDEMARK_HOST_DEVICE float plus_so_far(const T* so_far, int64_t at, float x) {
  return so_far ? device::to_float(so_far[at]) + x : x;
}
/// All but v's. What they are added to may lie where they go.
template <typename T>
TIDEMARK_HOST_DEVICE void store_wkv7_gradients(const DeviceWkv7Grad<T>& g, int64_t at, float dr,
                                               const Wkv7RowGradients& found) {
  const float r = plus_so_far(g.dr_acc, at, dr), k = plus_so_far(g.dk_acc, at, found.k);
  const float a = plus_so_far(g.da_acc, at, found.a);
  device::store(g.dr + at, r);
  device::store(g.dw + at, found.w);
  device::store(g.dk + at, k);
  device::store(g.da + at, a);
}

}  // namespace tidemark::ops
