#include "executor/ops/nade.h"

#include "executor/cpu/simd_reduce.h"
#include "executor/ops/activation_math.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
void transpose_typed(const T* m, int64_t rows, int64_t columns, const int32_t* order, int64_t begin,
                     int64_t end, float* out) {
  for (int64_t k = 0; k < columns; ++k)
    for (int64_t r = begin; r < end; ++r) out[k * rows + r] = to_float(m[r * columns + order[k]]);
}

/// Activations change only where a pixel is not zero, and most are: the rest of the work is dot products.
template <typename T, Activation kF>
void scan_rows(const Nade& n, int64_t begin, int64_t end, float* state) {
  const int64_t pixels = n.shape.pixels, hidden = n.shape.hidden, rows = end - begin;
  float* const sums = state;
  float* const active = state + rows * hidden;
  for (int64_t r = 0; r < rows; ++r)
    lanes(0, hidden, [&](int64_t i, auto w) {
      const Vec a = load(static_cast<const T*>(n.hidden_bias) + i, w);
      store(sums + r * hidden + i, a, w);
      store(active + r * hidden + i, activate<kF>(a), w);
    });
  for (int64_t k = 0; k < pixels; ++k) {
    const int64_t pixel = n.shape.order[k];
    const float* const weight = n.weight + k * hidden;
    const float bias = to_float(static_cast<const T*>(n.output_bias)[pixel]);
    for (int64_t r = 0; r < rows; ++r) {
      float* const h = active + r * hidden;
      float dot;
      if (n.output_weight) {
        const T* const v = static_cast<const T*>(n.output_weight) + pixel * hidden;
        dot = sum_over(hidden, [&](int64_t i, auto w) { return load(v + i, w) * load(h + i, w); });
      } else {
        dot = sum_over(hidden, [&](int64_t i, auto w) { return load(weight + i, w) * load(h + i, w); });
      }
      const int64_t at = (begin + r) * pixels + pixel;
      store(static_cast<T*>(n.logits) + at, broadcast(bias + dot), 1);
      const float x = to_float(static_cast<const T*>(n.x)[at]);
      if (x == 0) continue;
      float* const a = sums + r * hidden;
      lanes(0, hidden, [&](int64_t i, auto w) {
        const Vec moved = fma(broadcast(x), load(weight + i, w), load(a + i, w));
        store(a + i, moved, w);
        store(h + i, activate<kF>(moved), w);
      });
    }
  }
}

/// The gradient of up to kLanes hidden units; units share nothing but x and dlogits.
template <typename T, Activation kF>
class UnitGroup {
 public:
  UnitGroup(const NadeGrad& grad, int64_t first, int64_t units, float* state)
      : g_(grad),
        first_(first),
        units_(static_cast<int>(units)),
        rows_(grad.shape.rows),
        sums_(state),
        active_(sums_ + rows_ * kLanes),
        dsums_(active_ + rows_ * kLanes) {}

  void run() {
    sum_forward();
    for (int64_t k = g_.shape.pixels; k-- > 0;) {
      const int64_t pixel = g_.shape.order[k];
      const Vec weight = column(g_.weight, pixel);
      const Vec dweight = take_back(k, weight);
      const Vec output_weight =
          g_.output_weight
              ? load(static_cast<const T*>(g_.output_weight) + pixel * g_.shape.hidden + first_, units_)
              : weight;
      const Vec doutput_weight = add_logit(k, output_weight);
      if (g_.output_weight) {
        add_column(pixel, dweight);
        const int64_t at = pixel * g_.shape.hidden + first_;
        store_sum(g_.doutput_weight_start, g_.doutput_weight, at, doutput_weight);
      } else {
        add_column(pixel, dweight + doutput_weight);
      }
    }
    Vec total = zero();
    for (int64_t b = 0; b < rows_; ++b) total = total + load(dsums_ + b * kLanes);
    store_sum(g_.dhidden_bias_start, g_.dhidden_bias, first_, total);
  }

 private:
  Vec column(const void* matrix, int64_t pixel) const {
    float values[kLanes] = {};
    for (int i = 0; i < units_; ++i)
      values[i] = to_float(static_cast<const T*>(matrix)[(first_ + i) * g_.shape.pixels + pixel]);
    return load(values);
  }

  void add_column(int64_t pixel, Vec value) const {
    T values[kLanes];
    store(values, g_.dweight_start ? value + column(g_.dweight_start, pixel) : value);
    for (int i = 0; i < units_; ++i)
      static_cast<T*>(g_.dweight)[(first_ + i) * g_.shape.pixels + pixel] = values[i];
  }

  void store_sum(const void* start, void* to, int64_t at, Vec value) const {
    if (start) value = value + load(static_cast<const T*>(start) + at, units_);
    store(static_cast<T*>(to) + at, value, units_);
  }

  /// The running sums past the last pixel.
  void sum_forward() {
    const Vec bias = load(static_cast<const T*>(g_.hidden_bias) + first_, units_);
    for (int64_t b = 0; b < rows_; ++b) store(sums_ + b * kLanes, bias);
    for (int64_t k = 0; k < g_.shape.pixels; ++k) {
      const Vec weight = column(g_.weight, g_.shape.order[k]);
      for (int64_t b = 0; b < rows_; ++b) {
        const float x = g_.x[k * rows_ + b];
        if (x != 0) store(sums_ + b * kLanes, fma(broadcast(x), weight, load(sums_ + b * kLanes)));
      }
    }
    for (int64_t b = 0; b < rows_; ++b) {
      store(active_ + b * kLanes, activate<kF>(load(sums_ + b * kLanes)));
      store(dsums_ + b * kLanes, zero());
    }
  }

  /// Takes pixel k out of the running sums again; returns its weights' gradient.
  Vec take_back(int64_t k, Vec weight) {
    Vec dweight = zero();
    for (int64_t b = 0; b < rows_; ++b) {
      const float x = g_.x[k * rows_ + b];
      if (x == 0) continue;
      dweight = fma(broadcast(x), load(dsums_ + b * kLanes), dweight);
      const Vec sum = fnma(broadcast(x), weight, load(sums_ + b * kLanes));
      store(sums_ + b * kLanes, sum);
      store(active_ + b * kLanes, activate<kF>(sum));
    }
    return dweight;
  }

  /// Carries pixel k's dlogits to the running sums; returns its output weights' gradient.
  Vec add_logit(int64_t k, Vec output_weight) {
    Vec even = zero(), odd = zero();
    const float* const dlogits = g_.dlogits + k * rows_;
    const auto row = [&](int64_t b, Vec& dweight) {
      const Vec dy = broadcast(dlogits[b]);
      const Vec h = load(active_ + b * kLanes);
      dweight = fma(dy, h, dweight);
      store(dsums_ + b * kLanes, load(dsums_ + b * kLanes) + activation_gradient<kF>(dy * output_weight, h));
    };
    int64_t b = 0;
    for (; b + 2 <= rows_; b += 2) {
      row(b, even);
      row(b + 1, odd);
    }
    if (b < rows_) row(b, even);
    return even + odd;
  }

  const NadeGrad& g_;
  int64_t first_;
  int units_;
  int64_t rows_;
  float* sums_;    ///< a of each row
  float* active_;  ///< f(a)
  float* dsums_;   ///< the loss's gradient with respect to a
};

template <typename F>
void for_type(bool bf16, F&& fn) {
  bf16 ? fn(Bf16{}) : fn(0.0f);
}

}  // namespace

void transpose_ordered(bool bf16, const void* m, int64_t rows, int64_t columns, const int32_t* order,
                       int64_t begin, int64_t end, float* out) {
  for_type(bf16, [&](auto type) {
    transpose_typed(static_cast<const decltype(type)*>(m), rows, columns, order, begin, end, out);
  });
}

void nade_rows(const Nade& nade, int64_t begin, int64_t end, float* state) {
  with_activation(nade.shape.function, [&](auto f) {
    for_type(nade.shape.bf16,
             [&](auto type) { scan_rows<decltype(type), f.value>(nade, begin, end, state); });
  });
}

void nade_grad_units(const NadeGrad& grad, int64_t begin, int64_t end, float* state) {
  with_activation(grad.shape.function, [&](auto f) {
    for_type(grad.shape.bf16, [&](auto type) {
      for (int64_t unit = begin; unit < end; unit += kLanes)
        UnitGroup<decltype(type), f.value>(grad, unit, smaller(kLanes, end - unit), state).run();
    });
  });
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
