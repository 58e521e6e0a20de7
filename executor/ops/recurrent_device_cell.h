// The cells of recurrent layers on a device: one unit of one row, at one time.
#pragma once

#include "executor/ops/device_operands.h"
#include "executor/ops/recurrent.h"

namespace tidemark::ops {

/// A layer's operands, as RecurrentLayer's, and its workspace.
template <typename T>
struct DeviceRecurrent {
  int64_t hidden = 0, times = 0, max_batch = 0;
  bool reverse = false;
  const int32_t* sizes = nullptr;
  int32_t* first = nullptr;  ///< [times + 1]: the row of each time's first sequence
  T* state = nullptr;        ///< what the next time's product takes: h, or going back the gates' gradients
  float* product = nullptr;  ///< [max_batch, gates * hidden], or going back [max_batch, hidden]
  float* carry = nullptr;    ///< going back, what dc (LSTM) or dh (GRU) gets directly from the time before
  void* scratch = nullptr;   ///< the product's
  const T* weight = nullptr;
  const T* xg = nullptr;
  const T* bias = nullptr;
  const T* dh = nullptr;
  T* h = nullptr;
  float* c = nullptr;
  T* gates = nullptr;
  T* hn = nullptr;
  T* dxg = nullptr;
  T* dhn = nullptr;
};

/// Where a unit's numbers are: indices into arrays of `hidden` and of gates * hidden columns, and into the
/// former of the time whose h and c it reads.
struct RecurrentUnit {
  int64_t unit, gate, source;
  bool has_source;
};

template <typename T>
TIDEMARK_HOST_DEVICE RecurrentUnit recurrent_unit(const DeviceRecurrent<T>& l, int64_t gates, int64_t time,
                                                  int64_t row, int64_t column) {
  const int64_t from = time + (l.reverse ? 1 : -1), index = l.first[time] + row;
  RecurrentUnit u{index * l.hidden + column, index * gates * l.hidden + column, 0, false};
  u.has_source = from >= 0 && from < l.times && row < l.sizes[from];
  if (u.has_source) u.source = (l.first[from] + row) * l.hidden + column;
  return u;
}

TIDEMARK_HOST_DEVICE inline float tanh_slope(float y) {
  return fmaf(-y, y, 1.0f);
}
TIDEMARK_HOST_DEVICE inline float sigmoid_slope(float y) {
  return fmaf(-y, y, y);
}

// forward() makes h of the gates before activation: xg, the product and the bias together, but without xg for
// the gate kWithoutXg. backward() makes, from dh, the gradients of the gates before activation: it stores
// those of xg and leaves those that the product saw in `gates`.

template <typename T, bool kRelu>
struct DeviceRnn {
  static constexpr int kGates = 1, kWithoutXg = -1;

  TIDEMARK_HOST_DEVICE static float forward(const DeviceRecurrent<T>&, const RecurrentUnit&,
                                            const float* gates) {
    return kRelu ? device::larger(gates[0], 0.0f) : tanhf(gates[0]);
  }
  TIDEMARK_HOST_DEVICE static void backward(const DeviceRecurrent<T>& l, const RecurrentUnit& u, float dh,
                                            float*, float* gates) {
    const float h = device::to_float(l.h[u.unit]);
    gates[0] = kRelu ? (h > 0 ? dh : 0.0f) : dh * tanh_slope(h);
    device::store(l.dxg + u.gate, gates[0]);
  }
};

template <typename T>
struct DeviceLstm {
  static constexpr int kGates = 4, kWithoutXg = -1;

  TIDEMARK_HOST_DEVICE static float forward(const DeviceRecurrent<T>& l, const RecurrentUnit& u,
                                            const float* gates) {
    const float i = device::sigmoid(gates[0]), f = device::sigmoid(gates[1]);
    const float g = tanhf(gates[2]), o = device::sigmoid(gates[3]);
    const float c = fmaf(f, u.has_source ? l.c[u.source] : 0.0f, i * g);
    l.c[u.unit] = c;
    T* const out = l.gates + u.gate;
    device::store(out, i);
    device::store(out + l.hidden, f);
    device::store(out + 2 * l.hidden, g);
    device::store(out + 3 * l.hidden, o);
    return o * tanhf(c);
  }
  TIDEMARK_HOST_DEVICE static void backward(const DeviceRecurrent<T>& l, const RecurrentUnit& u, float dh,
                                            float* carry, float* gates) {
    const T* const activated = l.gates + u.gate;
    const float i = device::to_float(activated[0]), f = device::to_float(activated[l.hidden]);
    const float g = device::to_float(activated[2 * l.hidden]), o = device::to_float(activated[3 * l.hidden]);
    const float c_before = u.has_source ? l.c[u.source] : 0.0f, tanh_c = tanhf(l.c[u.unit]);
    const float dc = fmaf(dh * o, tanh_slope(tanh_c), *carry);
    *carry = dc * f;
    gates[0] = dc * g * sigmoid_slope(i);
    gates[1] = dc * c_before * sigmoid_slope(f);
    gates[2] = dc * i * tanh_slope(g);
    gates[3] = dh * tanh_c * sigmoid_slope(o);
    for (int gate = 0; gate < kGates; ++gate) device::store(l.dxg + u.gate + gate * l.hidden, gates[gate]);
  }
};

template <typename T>
struct DeviceGru {
  static constexpr int kGates = 3, kWithoutXg = 2;

  TIDEMARK_HOST_DEVICE static float forward(const DeviceRecurrent<T>& l, const RecurrentUnit& u,
                                            const float* gates) {
    const float r = device::sigmoid(gates[0]), z = device::sigmoid(gates[1]), hn = gates[2];
    const float n = tanhf(fmaf(r, hn, device::to_float(l.xg[u.gate + 2 * l.hidden])));
    const float h = u.has_source ? device::to_float(l.h[u.source]) : 0.0f;
    device::store(l.hn + u.unit, hn);
    T* const out = l.gates + u.gate;
    device::store(out, r);
    device::store(out + l.hidden, z);
    device::store(out + 2 * l.hidden, n);
    return fmaf(z, h - n, n);
  }
  TIDEMARK_HOST_DEVICE static void backward(const DeviceRecurrent<T>& l, const RecurrentUnit& u, float dh,
                                            float* carry, float* gates) {
    const T* const activated = l.gates + u.gate;
    const float r = device::to_float(activated[0]), z = device::to_float(activated[l.hidden]);
    const float n = device::to_float(activated[2 * l.hidden]), hn = device::to_float(l.hn[u.unit]);
    const float h_before = u.has_source ? device::to_float(l.h[u.source]) : 0.0f;
    dh += *carry;
    *carry = dh * z;
    const float dn = dh * (1.0f - z) * tanh_slope(n);
    gates[0] = dn * hn * sigmoid_slope(r);
    gates[1] = dh * (h_before - n) * sigmoid_slope(z);
    gates[2] = dn * r;
    T* const dxg = l.dxg + u.gate;
    device::store(dxg, gates[0]);
    device::store(dxg + l.hidden, gates[1]);
    device::store(dxg + 2 * l.hidden, dn);
    device::store(l.dhn + u.unit, gates[2]);
  }
};

}  // namespace tidemark::ops
