// Recurrent layers on a device: at each time a product of all sequences' states, then the cells of those that
// are still there. How many these are only the device knows, so the product takes as many as there may be;
// the states of the others are zero or no longer read.
#pragma once

#include "executor/ops/recurrent_device_cell.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

/// first[time] = the rows of all earlier times; the last entry is how many there are.
template <typename Device>
void find_first_rows(Device& device, const int32_t* sizes, int64_t times, int32_t* first) {
  device.each(
      1, TIDEMARK_BODY(int64_t) {
        first[0] = 0;
        for (int64_t time = 0; time < times; ++time) first[time + 1] = first[time] + sizes[time];
      });
}

/// `weight` and `sizes` are indices of inputs.
template <typename T, typename Device>
DeviceRecurrent<T> recurrent_layer(const KernelArgs& args, Device& device, int weight, int sizes,
                                   int64_t gates, bool backward) {
  DeviceRecurrent<T> l;
  l.hidden = args.op.in(weight).shape[1];
  l.times = args.op.in(sizes).shape[0];
  l.max_batch = args.op.attributes().integer("max_batch");
  l.reverse = args.op.attributes().flag("reverse");
  l.weight = args.in<T>(weight);
  l.sizes = args.in<int32_t>(sizes);
  const auto space =
      cuda::recurrent_space(l.times, l.max_batch, l.hidden, gates, args.op.in(weight).dtype, backward);
  auto* at = static_cast<std::byte*>(args.workspace);
  l.scratch = at;
  l.first = reinterpret_cast<int32_t*>(at += cuda::kMatmulWorkspace);
  l.state = reinterpret_cast<T*>(at += space.first_bytes);
  l.product = reinterpret_cast<float*>(at += space.state_bytes);
  l.carry = reinterpret_cast<float*>(at += space.product_bytes);
  find_first_rows(device, l.sizes, l.times, l.first);
  device.zero(l.state, space.state_bytes);
  if (backward) device.zero(l.carry, space.carry_bytes);
  return l;
}

template <typename T>
device::Matmul recurrent_product(const DeviceRecurrent<T>& l, DType dtype) {
  device::Matmul p;
  p.m = l.max_batch;
  p.a = l.state;
  p.b = l.weight;
  p.ldb = l.hidden;
  p.c = l.product;
  p.dtype = dtype;
  p.c_dtype = DType::f32;
  p.workspace = l.scratch;
  return p;
}

template <typename T, typename Cell, typename Device>
void recurrent_forward(const KernelArgs& args, Device& device, DeviceRecurrent<T> l) {
  constexpr int kGates = Cell::kGates;
  l.xg = args.in<T>(0);
  l.bias = args.op.has_in(2) ? args.in<T>(2) : nullptr;
  l.h = args.out<T>(0);
  device::Matmul p = recurrent_product(l, args.op.in(1).dtype);
  p.n = p.ldc = kGates * l.hidden;
  p.k = p.lda = l.hidden;
  p.b_transposed = true;
  for (int64_t step = 0; step < l.times; ++step) {
    device.matmul(p);
    const int64_t time = l.reverse ? l.times - 1 - step : step;
    device.each(
        l.max_batch * l.hidden, TIDEMARK_BODY(int64_t i) {
          const int64_t row = i / l.hidden, column = i % l.hidden;
          if (row >= l.sizes[time]) return;
          const RecurrentUnit u = recurrent_unit(l, kGates, time, row, column);
          float gates[kGates];
          for (int gate = 0; gate < kGates; ++gate) {
            const int64_t at = gate * l.hidden + column;
            gates[gate] =
                l.product[row * kGates * l.hidden + at] + (l.bias ? device::to_float(l.bias[at]) : 0.0f);
            if (gate != Cell::kWithoutXg) gates[gate] += device::to_float(l.xg[u.gate + gate * l.hidden]);
          }
          device::store(l.h + u.unit, Cell::forward(l, u, gates));
          l.state[i] = l.h[u.unit];
        });
  }
}

template <typename T, typename Cell, typename Device>
void recurrent_backward(const KernelArgs& args, Device& device, DeviceRecurrent<T> l, int weight) {
  constexpr int kGates = Cell::kGates;
  l.dh = args.in<T>(0);
  l.dxg = args.out<T>(0);
  device::Matmul p = recurrent_product(l, args.op.in(weight).dtype);
  p.n = p.ldc = l.hidden;
  p.k = p.lda = kGates * l.hidden;
  for (int64_t step = 0; step < l.times; ++step) {
    device.matmul(p);
    const int64_t time = l.reverse ? step : l.times - 1 - step;
    device.each(
        l.max_batch * l.hidden, TIDEMARK_BODY(int64_t i) {
          const int64_t row = i / l.hidden, column = i % l.hidden;
          if (row >= l.sizes[time]) return;
          const RecurrentUnit u = recurrent_unit(l, kGates, time, row, column);
          float gates[kGates];
          Cell::backward(l, u, device::to_float(l.dh[u.unit]) + l.product[i], l.carry + i, gates);
          for (int gate = 0; gate < kGates; ++gate)
            device::store(l.state + (row * kGates + gate) * l.hidden + column, gates[gate]);
        });
  }
}

inline bool is_relu(const KernelArgs& args) {
  return args.op.attributes().text("nonlinearity") == "relu";
}

template <typename T, typename Device>
void rnn_typed(const KernelArgs& args, Device& device) {
  const auto l = recurrent_layer<T>(args, device, 1, 3, 1, false);
  is_relu(args) ? recurrent_forward<T, DeviceRnn<T, true>>(args, device, l)
                : recurrent_forward<T, DeviceRnn<T, false>>(args, device, l);
}
template <typename T, typename Device>
void rnn_grad_typed(const KernelArgs& args, Device& device) {
  auto l = recurrent_layer<T>(args, device, 2, 3, 1, true);
  l.h = static_cast<T*>(args.inputs[1]);
  is_relu(args) ? recurrent_backward<T, DeviceRnn<T, true>>(args, device, l, 2)
                : recurrent_backward<T, DeviceRnn<T, false>>(args, device, l, 2);
}
template <typename T, typename Device>
void lstm_typed(const KernelArgs& args, Device& device) {
  auto l = recurrent_layer<T>(args, device, 1, 3, 4, false);
  l.c = args.out<float>(1);
  l.gates = args.out<T>(2);
  recurrent_forward<T, DeviceLstm<T>>(args, device, l);
}
template <typename T, typename Device>
void lstm_grad_typed(const KernelArgs& args, Device& device) {
  auto l = recurrent_layer<T>(args, device, 3, 4, 4, true);
  l.gates = static_cast<T*>(args.inputs[1]);
  l.c = static_cast<float*>(args.inputs[2]);
  recurrent_backward<T, DeviceLstm<T>>(args, device, l, 3);
}
template <typename T, typename Device>
void gru_typed(const KernelArgs& args, Device& device) {
  auto l = recurrent_layer<T>(args, device, 1, 3, 3, false);
  l.gates = args.out<T>(1);
  l.hn = args.out<T>(2);
  recurrent_forward<T, DeviceGru<T>>(args, device, l);
}
template <typename T, typename Device>
void gru_grad_typed(const KernelArgs& args, Device& device) {
  auto l = recurrent_layer<T>(args, device, 4, 5, 3, true);
  l.gates = static_cast<T*>(args.inputs[1]);
  l.hn = static_cast<T*>(args.inputs[2]);
  l.h = static_cast<T*>(args.inputs[3]);
  l.dhn = args.out<T>(1);
  recurrent_backward<T, DeviceGru<T>>(args, device, l, 4);
}

template <typename Device>
void rnn_layer_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), rnn_typed, args, device);
}
template <typename Device>
void rnn_layer_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(2), rnn_grad_typed, args, device);
}
template <typename Device>
void lstm_layer_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), lstm_typed, args, device);
}
template <typename Device>
void lstm_layer_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(3), lstm_grad_typed, args, device);
}
template <typename Device>
void gru_layer_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), gru_typed, args, device);
}
template <typename Device>
void gru_layer_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(4), gru_grad_typed, args, device);
}

}  // namespace tidemark::ops
