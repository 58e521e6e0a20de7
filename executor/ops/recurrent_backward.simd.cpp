#include "executor/ops/recurrent_tile.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

// A cell makes, from dh, the gradients of its gates before activation: it stores those of xg and leaves
// those that the recurrent product saw in `gates`.

/// 1 - y^2 and y (1 - y): the derivatives of tanh and the logistic function by their value.
Vec tanh_slope(Vec y) {
  return fnma(y, y, broadcast(1));
}
Vec sigmoid_slope(Vec y) {
  return fnma(y, y, y);
}

template <typename T, bool kRelu>
struct Rnn {
  static constexpr int kGates = 1;
  template <typename W>
  static void apply(const RecurrentLayer& layer, const Element& e, Vec dh, float*, Vec* gates, W w) {
    const Vec h = load(static_cast<const T*>(layer.h) + e.unit, w);
    gates[0] = kRelu ? select_less(zero(), h, dh, zero()) : dh * tanh_slope(h);
    store(static_cast<T*>(layer.dxg) + e.gate, gates[0], w);
  }
};

template <typename T>
struct Lstm {
  static constexpr int kGates = 4;
  template <typename W>
  static void apply(const RecurrentLayer& layer, const Element& e, Vec dh, float* carry, Vec* gates, W w) {
    const T* const activated = static_cast<const T*>(layer.gates) + e.gate;
    const Vec i = load(activated, w), f = load(activated + layer.hidden, w);
    const Vec g = load(activated + 2 * layer.hidden, w), o = load(activated + 3 * layer.hidden, w);
    const Vec c_before = e.has_source ? load(layer.c + e.source, w) : zero();
    const Vec tanh_c = tanh(load(layer.c + e.unit, w));
    const Vec dc = fma(dh * o, tanh_slope(tanh_c), e.linked ? load(carry, w) : zero());
    store(carry, dc * f, w);
    gates[0] = dc * g * sigmoid_slope(i);
    gates[1] = dc * c_before * sigmoid_slope(f);
    gates[2] = dc * i * tanh_slope(g);
    gates[3] = dh * tanh_c * sigmoid_slope(o);
    for (int gate = 0; gate < kGates; ++gate)
      store(static_cast<T*>(layer.dxg) + e.gate + gate * layer.hidden, gates[gate], w);
  }
};

template <typename T>
struct Gru {
  static constexpr int kGates = 3;
  template <typename W>
  static void apply(const RecurrentLayer& layer, const Element& e, Vec dh, float* carry, Vec* gates, W w) {
    const T* const activated = static_cast<const T*>(layer.gates) + e.gate;
    const Vec r = load(activated, w), z = load(activated + layer.hidden, w);
    const Vec n = load(activated + 2 * layer.hidden, w);
    const Vec hn = load(static_cast<const T*>(layer.hn) + e.unit, w);
    const Vec h_before = e.has_source ? load(static_cast<const T*>(layer.h) + e.source, w) : zero();
    if (e.linked) dh = dh + load(carry, w);
    store(carry, dh * z, w);
    const Vec dn = dh * (broadcast(1) - z) * tanh_slope(n);
    gates[0] = dn * hn * sigmoid_slope(r);
    gates[1] = dh * (h_before - n) * sigmoid_slope(z);
    gates[2] = dn * r;
    T* const dxg = static_cast<T*>(layer.dxg) + e.gate;
    store(dxg, gates[0], w);
    store(dxg + layer.hidden, gates[1], w);
    store(dxg + 2 * layer.hidden, dn, w);
    store(static_cast<T*>(layer.dhn) + e.unit, gates[2], w);
  }
};

template <typename T>
void pack(const RecurrentLayer& layer, int64_t begin, int64_t end) {
  const int64_t hidden = layer.hidden, gate_columns = gates_of(layer.cell) * hidden;
  for (int64_t j = begin; j < end; j += kPanel)
    pack_rows(static_cast<const T*>(layer.weight) + j, hidden, nullptr, gate_columns,
              smaller(kPanel, end - j), layer.packed + j * gate_columns);
}

template <typename T, typename Cell>
void step_backward(const RecurrentLayer& layer, const TimeStep& step, int64_t begin, int64_t end) {
  constexpr int kGates = Cell::kGates;
  const int64_t hidden = layer.hidden, gate_columns = kGates * hidden;
  const float* const from = layer.state[(step.index + 1) % 2];
  float* const to = layer.state[step.index % 2];
  const T* const dh = static_cast<const T*>(layer.dh) + step.row * hidden;
  float sums[kTile * kPanel] = {};

  each_tile(step, begin, end, [&](int64_t i0, int64_t rows, int64_t j0, int64_t columns) {
    for (int64_t i = 0; i < rows; ++i)
      lanes(0, columns, [&](int64_t j, auto w) {
        store(sums + i * kPanel + j, load(dh + (i0 + i) * hidden + j0 + j, w), w);
      });
    if (const int64_t linked = smaller(rows, step.linked - i0); linked > 0)
      add_product(linked, gate_columns, from + i0 * layer.state_ld, layer.state_ld,
                  layer.packed + j0 * gate_columns, sums);
    for (int64_t i = 0; i < rows; ++i)
      lanes(0, columns, [&](int64_t j, auto w) {
        Vec gates[kGates];
        Cell::apply(layer, element(layer, step, i0 + i, j0 + j), load(sums + i * kPanel + j),
                    layer.carry + (i0 + i) * hidden + j0 + j, gates, w);
        for (int gate = 0; gate < kGates; ++gate)
          store(to + (i0 + i) * layer.state_ld + gate * hidden + j0 + j, gates[gate], w);
      });
  });
}

template <typename T>
void backward(const RecurrentLayer& layer, const TimeStep& step, int64_t begin, int64_t end) {
  switch (layer.cell) {
    case Cell::rnn_tanh: return step_backward<T, Rnn<T, false>>(layer, step, begin, end);
    case Cell::rnn_relu: return step_backward<T, Rnn<T, true>>(layer, step, begin, end);
    case Cell::lstm: return step_backward<T, Lstm<T>>(layer, step, begin, end);
    case Cell::gru: return step_backward<T, Gru<T>>(layer, step, begin, end);
  }
}

}  // namespace

void recurrent_pack_grad(const RecurrentLayer& layer, int64_t begin, int64_t end) {
  layer.bf16 ? pack<Bf16>(layer, begin, end) : pack<float>(layer, begin, end);
}
void recurrent_backward(const RecurrentLayer& layer, const TimeStep& step, int64_t begin, int64_t end) {
  layer.bf16 ? backward<Bf16>(layer, step, begin, end) : backward<float>(layer, step, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
