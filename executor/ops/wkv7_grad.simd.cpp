#include "executor/ops/wkv7.h"

#include "executor/ops/wkv7_rows.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

/// Of a chunk, in the layout of Wkv7Rows.
struct Gradients {
  float *dy, *r, *w, *k, *v, *a, *b;

  Gradients(const Wkv7& s, Wkv7Memory& memory) {
    float** const all[] = {&dy, &r, &w, &k, &v, &a, &b};
    for (float** rows : all) *rows = memory.take(s.space.rows);
  }
};

/// The states of a block of values around a chunk's rows. Slots: zero, before the chunk, after every row.
struct Block {
  int64_t size;
  float* slots;
  float* products;  ///< [chunk_rows + 1, kWkv7Values]: of the state before a row with the row's `a`

  Block(const Wkv7& s, Wkv7Memory& memory)
      : size(s.space.block),
        slots(memory.take((s.shape.chunk_rows + 2) * size)),
        products(memory.take((s.shape.chunk_rows + 1) * kWkv7Values)) {
    fill_zero(slots, size);
  }
  float* after(int64_t t) const { return slots + (t + 2) * size; }
  float* before(int64_t t, bool begins) const { return begins ? slots : after(t - 1); }
};

/// Makes the states of values [first, first + kWkv7Values) again.
void fill_states(const Wkv7Rows& rows, const float* saved, int64_t first, int64_t count, uint64_t starts,
                 const Block& block) {
  const int64_t n = rows.columns, padded = rows.padded;
  float* const before = block.after(-1);
  for (int64_t i = 0; i < kWkv7Values; ++i) {
    const int64_t there = first + i < n ? n : 0;
    padded_lanes(there, padded, [&](int64_t j, auto w) {
      store(before + i * padded + j, load(saved + (first + i) * n + j, w));
    });
  }
  times_a(before, rows.a, kWkv7Values, padded, block.products);
  for (int64_t t = 0; t < count; ++t) {
    const bool begins = starts >> t & 1;
    float* const products = block.products + t * kWkv7Values;
    if (begins) fill_zero(products, kWkv7Values);
    advance<false>(rows, t, smaller(t + 1, count - 1), first, kWkv7Values, block.before(t, begins), products,
                   block.after(t), products + kWkv7Values, nullptr);
  }
}

/// Back over row t. `carried` [kWkv7Values, padded] is the gradient of the state after it as later rows have
/// it, and becomes that of the state before.
void reverse_row(const Wkv7Rows& rows, int64_t t, int64_t first, const float* before, const float* products,
                 const float* after, float* carried, const Gradients& d) {
  const int64_t padded = rows.padded, at = t * padded;
  for (int64_t i = 0; i < kWkv7Values; i += kStepValues) {
    Vec dy[kStepValues], value[kStepValues], along[kStepValues], dv[kStepValues], dalong[kStepValues];
#pragma GCC unroll 4
    for (int64_t q = 0; q < kStepValues; ++q) {
      dy[q] = broadcast(d.dy[at + first + i + q]);
      value[q] = broadcast(rows.v[at + first + i + q]);
      along[q] = broadcast(products[i + q]);
      dv[q] = dalong[q] = zero();
    }
    for (int64_t j = 0; j < padded; j += kLanes) {
      const Vec r = load(rows.r + at + j), k = load(rows.k + at + j), b = load(rows.b + at + j);
      Vec dr = load(d.r + at + j), dw = load(d.w + at + j), dk = load(d.k + at + j), db = load(d.b + at + j);
#pragma GCC unroll 4
      for (int64_t q = 0; q < kStepValues; ++q) {
        const int64_t entry = (i + q) * padded + j;
        const Vec state = fma(dy[q], r, load(carried + entry));
        store(carried + entry, state);
        dr = fma(dy[q], load(after + entry), dr);
        dw = fma(state, load(before + entry), dw);
        dk = fma(state, value[q], dk);
        db = fma(state, along[q], db);
        dv[q] = fma(state, k, dv[q]);
        dalong[q] = fma(state, b, dalong[q]);
      }
      store(d.r + at + j, dr);
      store(d.w + at + j, dw);
      store(d.k + at + j, dk);
      store(d.b + at + j, db);
    }
    store_sums(d.v + at + first + i, dv[0], dv[1], dv[2], dv[3]);
    float sums[kStepValues];
    store_sums(sums, dalong[0], dalong[1], dalong[2], dalong[3]);
#pragma GCC unroll 4
    for (int64_t q = 0; q < kStepValues; ++q) dalong[q] = broadcast(sums[q]);
    for (int64_t j = 0; j < padded; j += kLanes) {
      const Vec decay = load(rows.w + at + j), a = load(rows.a + at + j);
      Vec da = load(d.a + at + j);
#pragma GCC unroll 4
      for (int64_t q = 0; q < kStepValues; ++q) {
        const int64_t entry = (i + q) * padded + j;
        da = fma(dalong[q], load(before + entry), da);
        store(carried + entry, fma(load(carried + entry), decay, dalong[q] * a));
      }
      store(d.a + at + j, da);
    }
  }
}

/// A value plus what there is already of its gradient.
template <typename T, typename Width>
inline Vec added(const void* acc, int64_t at, Vec value, Width w) {
  return acc ? load(static_cast<const T*>(acc) + at, w) + value : value;
}

/// From the gradients of what the recurrence takes to those of the op's operands. sums: of k_k, then of k_a.
template <typename T>
void store_chunk(const Wkv7Grad& g, int64_t head, int64_t row, int64_t count, const Wkv7Rows& rows,
                 const Gradients& d, float* sums) {
  const Wkv7& s = g.wkv;
  const int64_t n = rows.columns;
  const Vec one = broadcast(1);
  const T* const k_k = static_cast<const T*>(s.k_k) + head * n;
  const T* const k_a = static_cast<const T*>(s.k_a) + head * n;
  for (int64_t t = 0; t < count; ++t) {
    const int64_t to = element(s, head, row + t), at = t * rows.padded;
    const auto rate_of = [&](int64_t i, auto w) {
      return sigmoid(load(static_cast<const T*>(s.a) + to + i, w));
    };
    const auto ddirection = [&](int64_t i, Vec rate) {
      return fma(load(d.b + at + i), rate, -load(d.a + at + i));
    };
    Vec dot = zero();
    lanes(0, n, [&](int64_t i, auto w) {
      dot = fma(first_lanes(ddirection(i, rate_of(i, w)), w), load(rows.a + at + i), dot);
    });
    const bool normal = rows.inverse_norm[t] < 1 / kLeastNorm;
    const Vec inverse = broadcast(rows.inverse_norm[t]), along = broadcast(normal ? sum(dot) : 0);
    lanes(0, n, [&](int64_t i, auto w) {
      const Vec key = load(static_cast<const T*>(s.k) + to + i, w), rate = rate_of(i, w);
      const Vec dk = load(d.k + at + i), replaced = load(k_a + i, w);
      const Vec open = sigmoid(load(static_cast<const T*>(s.w) + to + i, w));
      const Vec minus_direction = load(rows.a + at + i);
      // The part of the direction's gradient along the direction moves it not.
      const Vec dscaled = inverse * fnma(minus_direction, along, ddirection(i, rate));
      const Vec drate = fnma(load(d.b + at + i), minus_direction, dk * key * replaced);
      const Vec dlog_decay = load(d.w + at + i) * load(rows.w + at + i);
      store(sums + i, fma(key, dscaled, load(sums + i)));
      store(sums + rows.padded + i, fma(dk * key, rate - one, load(sums + rows.padded + i)));
      const Vec dkey = fma(dk, fma(rate - one, replaced, one), dscaled * load(k_k + i, w));
      const Vec da = drate * rate * (one - rate),
                dw = dlog_decay * broadcast(kLogDecay) * open * (one - open);
      const Vec dr = load(d.r + at + i), dv = load(d.v + at + i);
      store(static_cast<T*>(g.dr) + to + i, added<T>(g.dr_acc, to + i, dr, w), w);
      store(static_cast<T*>(g.dw) + to + i, dw, w);
      store(static_cast<T*>(g.dk) + to + i, added<T>(g.dk_acc, to + i, dkey, w), w);
      store(static_cast<T*>(g.dv) + to + i, added<T>(g.dv_acc, to + i, dv, w), w);
      store(static_cast<T*>(g.da) + to + i, added<T>(g.da_acc, to + i, da, w), w);
    });
  }
}

template <typename T>
void run_head(const Wkv7Grad& g, int64_t head, float* scratch) {
  const Wkv7& s = g.wkv;
  Wkv7Memory memory(scratch);
  const Wkv7Rows rows(s, memory);
  const Gradients d(s, memory);
  const Block block(s, memory);
  const int64_t n = rows.columns, padded = rows.padded;
  float* const carried = memory.take(s.space.state);
  float *const sums = memory.take(2 * padded), *const totals = memory.take(2 * padded);
  fill_zero(carried, s.space.state);
  fill_zero(totals, 2 * padded);
  for (int64_t chunk = (s.rows + s.shape.chunk_rows - 1) / s.shape.chunk_rows; chunk-- > 0;) {
    const int64_t row = chunk * s.shape.chunk_rows, count = smaller(s.shape.chunk_rows, s.rows - row);
    const uint64_t starts = starts_among(s.sequences, row, count);
    load_chunk<T>(s, head, row, count, rows);
    for (int64_t t = 0; t < count; ++t) {
      const T* const dy = static_cast<const T*>(g.dy) + element(s, head, row + t);
      padded_lanes(n, padded, [&](int64_t i, auto w) { store(d.dy + t * padded + i, load(dy + i, w)); });
    }
    float* const added_to[] = {d.r, d.w, d.k, d.a, d.b};
    for (float* sum : added_to) fill_zero(sum, count * padded);
    const float* const saved = g.states + (chunk * s.shape.heads + head) * n * n;
    for (int64_t first = 0; first < padded; first += kWkv7Values) {
      fill_states(rows, saved, first, count, starts, block);
      float* const gradient = carried + first * padded;
      for (int64_t t = count; t-- > 0;) {
        const bool begins = starts >> t & 1;
        reverse_row(rows, t, first, block.before(t, begins), block.products + t * kWkv7Values, block.after(t),
                    gradient, d);
        if (begins) fill_zero(gradient, s.space.block);
      }
    }
    fill_zero(sums, 2 * padded);
    store_chunk<T>(g, head, row, count, rows, d, sums);
    for (int64_t i = 0; i < 2 * padded; i += kLanes) store(totals + i, load(totals + i) + load(sums + i));
  }
  convert(totals, static_cast<T*>(g.dk_k) + head * n, n);
  convert(totals + padded, static_cast<T*>(g.dk_a) + head * n, n);
}

}  // namespace

void wkv7_grad_head(const Wkv7Grad& g, int64_t head, float* scratch) {
  g.wkv.bf16 ? run_head<Bf16>(g, head, scratch) : run_head<float>(g, head, scratch);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
