#include "executor/ops/causal_conv1d.h"

#include "executor/cpu/simd_math.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

constexpr int64_t kWidest = 16;  // of the op

/// taps[i]: how many of the `width` rows that end at row + i are of that row's sequence. 0 past the last row.
void count_taps(const CausalConv& c, int64_t row, int64_t rows, int64_t* taps) {
  const Sequences& q = c.sequences;
  int64_t sequence = sequence_at(q, row);
  for (int64_t i = 0; i < rows; ++i) {
    while (sequence + 1 < q.entries && q.cu_seqlens[sequence + 1] <= row + i) ++sequence;
    taps[i] = row + i < c.rows ? smaller(c.width, row + i - q.cu_seqlens[sequence] + 1) : 0;
  }
}

/// Weights [width][channels] and bias of a strip, in f32; channels that are not there have zeros.
template <typename T>
struct Coefficients {
  float weight[kWidest][kConvChannels] = {};
  float bias[kConvChannels] = {};

  Coefficients(const CausalConv& c, int64_t first, int64_t channels) {
    const T* w = static_cast<const T*>(c.weight) + first * c.width;
    for (int64_t k = 0; k < c.width; ++k)
      for (int64_t i = 0; i < channels; ++i) weight[k][i] = to_float(w[i * c.width + k]);
    if (c.bias) convert(static_cast<const T*>(c.bias) + first, bias, channels);
  }

  /// Before the SiLU; `x` is this row's.
  template <typename Width>
  Vec convolved(const CausalConv& c, const T* x, int64_t taps, int64_t i, Width w) const {
    Vec y = load(bias + i);
    for (int64_t k = 0; k < taps; ++k)
      y = fma(load(weight[c.width - 1 - k] + i), load(x - k * c.x_stride + i, w), y);
    return y;
  }
};

template <typename T>
void conv_rows(const CausalConv& c, void* out, int64_t row) {
  const int64_t rows = smaller(kConvRows, c.rows - row);
  int64_t taps[kConvRows];
  count_taps(c, row, rows, taps);
  for (int64_t first = 0; first < c.channels; first += kConvChannels) {
    const int64_t channels = smaller(kConvChannels, c.channels - first);
    const Coefficients<T> coefficients(c, first, channels);
    for (int64_t t = 0; t < rows; ++t) {
      const T* x = static_cast<const T*>(c.x) + (row + t) * c.x_stride + first;
      T* y = static_cast<T*>(out) + (row + t) * c.channels + first;
      lanes(0, channels, [&](int64_t i, auto w) {
        const Vec v = coefficients.convolved(c, x, taps[t], i, w);
        store(y + i, v * sigmoid(v), w);
      });
    }
  }
}

/// Blocks of rows from the last to the first: dx of a row needs the gradients of the width - 1 rows after it.
template <typename T>
void grad_strip(const CausalConvGrad& g, int64_t strip) {
  const CausalConv& c = g.conv;
  const int64_t first = strip * kConvChannels, channels = smaller(kConvChannels, c.channels - first);
  const Coefficients<T> coefficients(c, first, channels);
  const Vec one = broadcast(1);
  float inner[kConvRows + kWidest - 1][kConvChannels] = {};  // gradients before the SiLU
  int64_t taps[kConvRows + kWidest - 1];
  float weight_sum[kWidest][kConvChannels] = {}, bias_sum[kConvChannels] = {};
  for (int64_t row = (c.rows - 1) / kConvRows * kConvRows; row >= 0; row -= kConvRows) {
    const int64_t rows = smaller(kConvRows, c.rows - row);
    count_taps(c, row, kConvRows + c.width - 1, taps);
    for (int64_t k = 0; k < c.width - 1; ++k)
      for (int64_t i = 0; i < kConvChannels; ++i) inner[kConvRows + k][i] = inner[k][i];
    float weight_part[kWidest][kConvChannels] = {}, bias_part[kConvChannels] = {};
    for (int64_t t = rows; t-- > 0;) {
      const T* x = static_cast<const T*>(c.x) + (row + t) * c.x_stride + first;
      const T* dy = static_cast<const T*>(g.dy) + (row + t) * c.channels + first;
      T* dx = static_cast<T*>(g.dx) + (row + t) * c.x_stride + first;
      lanes(0, channels, [&](int64_t i, auto w) {
        const Vec v = coefficients.convolved(c, x, taps[t], i, w), s = sigmoid(v);
        const Vec grad = load(dy + i, w) * s * fma(v, one - s, one);
        store(inner[t] + i, grad);
        store(bias_part + i, load(bias_part + i) + grad);
        for (int64_t k = 0; k < taps[t]; ++k) {
          float* const part = weight_part[c.width - 1 - k] + i;
          store(part, fma(grad, load(x - k * c.x_stride + i, w), load(part)));
        }
        Vec sum = load(dx + i, w);
        for (int64_t k = 0; k < c.width && taps[t + k] > k; ++k)
          sum = fma(load(coefficients.weight[c.width - 1 - k] + i), load(inner[t + k] + i), sum);
        store(dx + i, sum, w);
      });
    }
    for (int64_t i = 0; i < kConvChannels; ++i) {
      bias_sum[i] += bias_part[i];
      for (int64_t k = 0; k < c.width; ++k) weight_sum[k][i] += weight_part[k][i];
    }
  }
  if (g.dbias) convert(bias_sum, static_cast<T*>(g.dbias) + first, channels);
  float by_channel[kConvChannels * kWidest];
  for (int64_t i = 0; i < channels; ++i)
    for (int64_t k = 0; k < c.width; ++k) by_channel[i * c.width + k] = weight_sum[k][i];
  convert(by_channel, static_cast<T*>(g.dweight) + first * c.width, channels * c.width);
}

}  // namespace

void causal_conv_rows(const CausalConv& c, void* y, int64_t row) {
  c.bf16 ? conv_rows<Bf16>(c, y, row) : conv_rows<float>(c, y, row);
}

void causal_conv_grad_strip(const CausalConvGrad& g, int64_t strip) {
  g.conv.bf16 ? grad_strip<Bf16>(g, strip) : grad_strip<float>(g, strip);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
