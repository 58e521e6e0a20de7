#include "executor/ops/wkv.h"

#include "executor/cpu/simd_math.h"
#include "executor/ops/channel_block.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

/// An exponent so small that what it multiplies is nothing, yet finite: differences of two are no NaN.
constexpr float kNothing = -1e30f;

/// Of a block's channels, what is carried from row to row: two sums, to be multiplied with exp(exponent).
/// Going forward the sums of weighted values and of weights, going back the gradients of the two.
struct State {
  float values[kScanChannels], weights[kScanChannels], exponent[kScanChannels];

  void reset() {
    for (int64_t i = 0; i < kScanChannels; i += kLanes) {
      store(values + i, zero());
      store(weights + i, zero());
      store(exponent + i, broadcast(kNothing));
    }
  }
};

struct Coefficients {
  float log_decay[kScanChannels] = {}, first[kScanChannels] = {};

  Coefficients(const Wkv& s, const Block& block) {
    block_lanes(block.channels, [&](int64_t i, auto w) {
      store(log_decay + i, -exp(load(s.time_decay + block.first + i, w)));
      store(first + i, load(s.time_first + block.first + i, w));
    });
  }
};

/// exp(a - largest) and exp(b - largest) of two exponents.
struct Weights {
  Vec largest, a, b;

  Weights(Vec x, Vec y) : largest(max(x, y)) {
    const Vec smaller_one = exp(-abs(x - y)), one = broadcast(1);
    a = select_less(x, y, smaller_one, one);
    b = select_less(x, y, one, smaller_one);
  }
};

/// The state after the row of k and v.
inline void advance(State& state, int64_t i, Vec log_decay, Vec k, Vec v) {
  const Weights w(load(state.exponent + i) + log_decay, k);
  store(state.values + i, fma(w.a, load(state.values + i), w.b * v));
  store(state.weights + i, fma(w.a, load(state.weights + i), w.b));
  store(state.exponent + i, w.largest);
}

/// The saved state before a chunk.
template <typename Fn>
inline void saved_rows(State& state, Fn&& fn) {
  fn(0, state.values);
  fn(1, state.weights);
  fn(2, state.exponent);
}

template <typename T>
void wkv_rows(const Wkv& s, void* out, float* states, const Block& block) {
  const Coefficients c(s, block);
  State state;
  state.reset();
  for (int64_t row = 0, chunk = 0; row < s.rows; row += s.chunk_rows, ++chunk) {
    const int64_t rows = smaller(s.chunk_rows, s.rows - row);
    const uint64_t starts = starts_among(s.sequences, row, rows);
    saved_rows(state, [&](int64_t which, const float* part) {
      float* const to = states + (chunk * 3 + which) * s.channels + block.first;
      block_lanes(block.channels, [&](int64_t i, auto w) { store(to + i, load(part + i), w); });
    });
    for (int64_t t = 0; t < rows; ++t) {
      if (starts >> t & 1) state.reset();
      const int64_t at = (row + t) * s.channels + block.first;
      block_lanes(block.channels, [&](int64_t i, auto w) {
        const Vec k = load(static_cast<const T*>(s.k) + at + i, w);
        const Vec v = load(static_cast<const T*>(s.v) + at + i, w);
        const Weights mine(load(state.exponent + i), k + load(c.first + i));
        const Vec values = fma(mine.a, load(state.values + i), mine.b * v);
        const Vec weights = fma(mine.a, load(state.weights + i), mine.b);
        store(static_cast<T*>(out) + at + i, values / weights, w);
        advance(state, i, load(c.log_decay + i), k, v);
      });
    }
  }
}

struct Sums {
  float decay[kScanChannels] = {}, first[kScanChannels] = {};
};

/// With A and B the sums before the row and D = B + exp(k + first), y = (A + exp(k + first) v) / D. D is at
/// least any weight that it sums, so that no product below is of an exponential above 1. `after` becomes the
/// gradient of the state before the row.
template <typename T>
void reverse_row(const WkvGrad& g, const Coefficients& c, const State& before, int64_t at, int64_t channels,
                 State& after, Sums& sums) {
  const Wkv& s = g.wkv;
  block_lanes(channels, [&](int64_t i, auto w) {
    const Vec k = load(static_cast<const T*>(s.k) + at + i, w);
    const Vec v = load(static_cast<const T*>(s.v) + at + i, w);
    const Vec dy = load(static_cast<const T*>(g.dy) + at + i, w);
    const Vec decay = load(c.log_decay + i), exponent = load(before.exponent + i);
    const Vec values = load(before.values + i), weights = load(before.weights + i);

    // y and what comes from it directly.
    const Weights mine(exponent, k + load(c.first + i));
    const Vec inverse = broadcast(1) / fma(mine.a, weights, mine.b);
    const Vec y = fma(mine.a, values, mine.b * v) * inverse;
    const Vec dvalues = dy * inverse, dweights = -dvalues * y;
    const Vec dfirst = mine.b * dvalues * (v - y);
    store(sums.first + i, load(sums.first + i) + dfirst);

    // What flows through the state after the row.
    const Vec from = load(after.exponent + i);
    const Vec after_values = load(after.values + i), after_weights = load(after.weights + i);
    const Vec added = exp(min(zero(), k + from));
    const Vec kept = exp(min(zero(), exponent + decay + from));
    store(static_cast<T*>(g.dv) + at + i, fma(added, after_values, mine.b * dvalues), w);
    store(static_cast<T*>(g.dk) + at + i, fma(added, fma(after_values, v, after_weights), dfirst), w);
    store(sums.decay + i,
          fma(kept, fma(after_values, values, after_weights * weights), load(sums.decay + i)));

    const Weights next(from + decay, -mine.largest);
    store(after.values + i, fma(next.a, after_values, next.b * dvalues));
    store(after.weights + i, fma(next.a, after_weights, next.b * dweights));
    store(after.exponent + i, next.largest);
  });
}

template <typename T>
void grad_rows(const WkvGrad& g, const Block& block, float* scratch) {
  const Wkv& s = g.wkv;
  const Coefficients c(s, block);
  State* const states = reinterpret_cast<State*>(scratch);  // before each row of the chunk
  State carried;
  carried.reset();
  double decay[kScanChannels] = {}, first[kScanChannels] = {};
  for (int64_t chunk = (s.rows + s.chunk_rows - 1) / s.chunk_rows; chunk-- > 0;) {
    const int64_t row = chunk * s.chunk_rows, rows = smaller(s.chunk_rows, s.rows - row);
    const uint64_t starts = starts_among(s.sequences, row, rows);
    State state;
    saved_rows(state, [&](int64_t which, float* part) {
      const float* const from = g.states + (chunk * 3 + which) * s.channels + block.first;
      block_lanes(block.channels, [&](int64_t i, auto w) { store(part + i, load(from + i, w)); });
    });
    for (int64_t t = 0; t < rows; ++t) {
      if (starts >> t & 1) state.reset();
      states[t] = state;
      const int64_t at = (row + t) * s.channels + block.first;
      block_lanes(block.channels, [&](int64_t i, auto w) {
        advance(state, i, load(c.log_decay + i), load(static_cast<const T*>(s.k) + at + i, w),
                load(static_cast<const T*>(s.v) + at + i, w));
      });
    }
    Sums sums;
    for (int64_t t = rows; t-- > 0;) {
      reverse_row<T>(g, c, states[t], (row + t) * s.channels + block.first, block.channels, carried, sums);
      if (starts >> t & 1) carried.reset();
    }
    for (int64_t i = 0; i < block.channels; ++i) {
      decay[i] += double{sums.decay[i]};
      first[i] += double{sums.first[i]};
    }
  }
  for (int64_t i = 0; i < block.channels; ++i) {  // d(-exp(x))/dx = -exp(x)
    g.dtime_decay[block.first + i] = static_cast<float>(decay[i] * double{c.log_decay[i]});
    g.dtime_first[block.first + i] = static_cast<float>(first[i]);
  }
}

}  // namespace

void wkv_block(const Wkv& s, void* y, float* states, int64_t index) {
  const Block block = block_of(s.channels, index);
  s.bf16 ? wkv_rows<Bf16>(s, y, states, block) : wkv_rows<float>(s, y, states, block);
}

void wkv_grad_block(const WkvGrad& g, int64_t index, float* scratch) {
  const Block block = block_of(g.wkv.channels, index);
  g.wkv.bf16 ? grad_rows<Bf16>(g, block, scratch) : grad_rows<float>(g, block, scratch);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
