#include "executor/ops/recurrent_tile.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

// A cell makes the new h of some columns of a row from the gates before activation: xg, the recurrent
// product and the bias together, but without xg for the gate kWithoutXg.

template <typename T, bool kRelu>
struct Rnn {
  static constexpr int kGates = 1, kWithoutXg = -1;
  template <typename W>
  static Vec apply(const RecurrentLayer&, const Element&, const Vec* gates, W) {
    return kRelu ? max(zero(), gates[0]) : tanh(gates[0]);
  }
};

template <typename T>
struct Lstm {
  static constexpr int kGates = 4, kWithoutXg = -1;
  template <typename W>
  static Vec apply(const RecurrentLayer& layer, const Element& e, const Vec* gates, W w) {
    const Vec i = sigmoid(gates[0]), f = sigmoid(gates[1]), g = tanh(gates[2]), o = sigmoid(gates[3]);
    const Vec c = fma(f, e.has_source ? load(layer.c + e.source, w) : zero(), i * g);
    store(layer.c + e.unit, c, w);
    T* const out = static_cast<T*>(layer.gates) + e.gate;
    store(out, i, w);
    store(out + layer.hidden, f, w);
    store(out + 2 * layer.hidden, g, w);
    store(out + 3 * layer.hidden, o, w);
    return o * tanh(c);
  }
};

template <typename T>
struct Gru {
  static constexpr int kGates = 3, kWithoutXg = 2;
  template <typename W>
  static Vec apply(const RecurrentLayer& layer, const Element& e, const Vec* gates, W w) {
    const Vec r = sigmoid(gates[0]), z = sigmoid(gates[1]), hn = gates[2];
    const Vec n = tanh(fma(r, hn, load(static_cast<const T*>(layer.xg) + e.gate + 2 * layer.hidden, w)));
    const Vec h = e.has_source ? load(static_cast<const T*>(layer.h) + e.source, w) : zero();
    store(static_cast<T*>(layer.hn) + e.unit, hn, w);
    T* const out = static_cast<T*>(layer.gates) + e.gate;
    store(out, r, w);
    store(out + layer.hidden, z, w);
    store(out + 2 * layer.hidden, n, w);
    return fma(z, h - n, n);
  }
};

template <typename T>
void pack(const RecurrentLayer& layer, int64_t begin, int64_t end) {
  const int64_t hidden = layer.hidden, gates = gates_of(layer.cell);
  for (int64_t j = begin; j < end; j += kPanel)
    for (int64_t gate = 0; gate < gates; ++gate)
      pack_transposed(static_cast<const T*>(layer.weight) + (gate * hidden + j) * hidden, hidden, hidden,
                      smaller(kPanel, end - j), layer.packed + (j * gates + gate * kPanel) * hidden);
}

template <typename T, typename Cell>
void step_forward(const RecurrentLayer& layer, const TimeStep& step, int64_t begin, int64_t end) {
  constexpr int kGates = Cell::kGates;
  const int64_t hidden = layer.hidden;
  const float* const from = layer.state[(step.index + 1) % 2];
  float* const to = layer.state[step.index % 2];
  const T* const xg = static_cast<const T*>(layer.xg) + step.row * kGates * hidden;
  const T* const bias = static_cast<const T*>(layer.bias);
  float gates[kGates][kTile * kPanel] = {};

  each_tile(step, begin, end, [&](int64_t i0, int64_t rows, int64_t j0, int64_t columns) {
    for (int gate = 0; gate < kGates; ++gate)
      for (int64_t i = 0; i < rows; ++i)
        lanes(0, columns, [&](int64_t j, auto w) {
          const int64_t column = gate * hidden + j0 + j;
          const Vec b = bias ? load(bias + column, w) : zero();
          const bool with_xg = gate != Cell::kWithoutXg;
          store(gates[gate] + i * kPanel + j,
                with_xg ? b + load(xg + (i0 + i) * kGates * hidden + column, w) : b, w);
        });
    if (const int64_t linked = smaller(rows, step.linked - i0); linked > 0)
      for (int gate = 0; gate < kGates; ++gate)
        add_product(linked, hidden, from + i0 * layer.state_ld, layer.state_ld,
                    layer.packed + (j0 * kGates + gate * kPanel) * hidden, gates[gate]);
    for (int64_t i = 0; i < rows; ++i)
      lanes(0, columns, [&](int64_t j, auto w) {
        Vec before[kGates];
        for (int gate = 0; gate < kGates; ++gate) before[gate] = load(gates[gate] + i * kPanel + j);
        const Element e = element(layer, step, i0 + i, j0 + j);
        T* const h = static_cast<T*>(layer.h) + e.unit;
        store(h, Cell::apply(layer, e, before, w), w);
        store(to + (i0 + i) * layer.state_ld + j0 + j, load(h, w), w);
      });
  });
}

template <typename T>
void forward(const RecurrentLayer& layer, const TimeStep& step, int64_t begin, int64_t end) {
  switch (layer.cell) {
    case Cell::rnn_tanh: return step_forward<T, Rnn<T, false>>(layer, step, begin, end);
    case Cell::rnn_relu: return step_forward<T, Rnn<T, true>>(layer, step, begin, end);
    case Cell::lstm: return step_forward<T, Lstm<T>>(layer, step, begin, end);
    case Cell::gru: return step_forward<T, Gru<T>>(layer, step, begin, end);
  }
}

}  // namespace

void recurrent_pack(const RecurrentLayer& layer, int64_t begin, int64_t end) {
  layer.bf16 ? pack<Bf16>(layer, begin, end) : pack<float>(layer, begin, end);
}
void recurrent_forward(const RecurrentLayer& layer, const TimeStep& step, int64_t begin, int64_t end) {
  layer.bf16 ? forward<Bf16>(layer, step, begin, end) : forward<float>(layer, step, begin, end);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
