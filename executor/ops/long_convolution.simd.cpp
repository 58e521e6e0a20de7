#include "executor/ops/long_convolution.h"

#include "executor/cpu/fft.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;
using cpu::kFftChannels;

namespace {

constexpr int64_t kPoint = 2 * kFftChannels;

/// One block of channels.
class Block {
 public:
  Block(const LongConvolution& c, int64_t index)
      : c_(c),
        first_(index * kFftChannels),
        channels_(smaller(kFftChannels, c.channels - first_)),
        fft_(c.tables.points, c.tables.roots) {}

  int64_t floats() const { return c_.tables.points * kPoint; }

  /// The kernel's spectrum over the number of points, which undoes what a transform and its inverse add.
  void transform_kernel(float* out) const {
    float row[kFftChannels] = {};
    const float scale = 1.0f / static_cast<float>(c_.tables.points);
    for (int64_t l = 0; l < c_.length; ++l) {
      for (int64_t i = 0; i < channels_; ++i) row[i] = scale * c_.kernel[(first_ + i) * c_.length + l];
      weigh(
          l, [&](int64_t i) { return load(row + i); }, out);
    }
    clear(c_.length, out);
    fft_.forward(out);
  }

  /// The spectrum of rows [begin, end) of x, put at 0 or, in reverse, so that the first comes at length - 1.
  template <typename T>
  void transform(const void* x, int64_t begin, int64_t end, bool reverse, float* out) const {
    const int64_t n = end - begin;
    int64_t place = 0;
    if (reverse)
      for (; place < c_.length - n; ++place) zero_point(place, out);
    for (int64_t t = 0; t < n; ++t, ++place) {
      const T* row = static_cast<const T*>(x) + (reverse ? end - 1 - t : begin + t) * c_.channels + first_;
      weigh(
          place, [&](int64_t i) { return load(row + i, Part{width(i)}); }, out);
    }
    clear(place, out);
    fft_.forward(out);
  }

  void inverse(float* spectrum) const { fft_.backward(spectrum); }

  /// What stands at `place` after the inverse, unweighted; fn(i, number of channels, values).
  template <typename F>
  void each_result(int64_t place, const float* data, F&& fn) const {
    const float* const w = c_.tables.weights + 2 * place;
    const Vec re = broadcast(w[0]), im = broadcast(w[1]);
    const float* const at = data + place * kPoint;
    for (int64_t i = 0; i < kFftChannels; i += kLanes)
      fn(i, Part{width(i)}, fma(load(at + kFftChannels + i), im, load(at + i) * re));
  }

  int64_t column() const { return first_; }
  int64_t channels() const { return channels_; }

 private:
  int width(int64_t i) const {
    const int64_t left = channels_ - i;
    return static_cast<int>(left < 0 ? 0 : smaller(left, kLanes));
  }
  template <typename Value>
  void weigh(int64_t place, Value&& value, float* out) const {
    const float* const w = c_.tables.weights + 2 * place;
    const Vec re = broadcast(w[0]), im = broadcast(w[1]);
    float* const at = out + place * kPoint;
    for (int64_t i = 0; i < kFftChannels; i += kLanes) {
      const Vec v = value(i);
      store(at + i, v * re);
      store(at + kFftChannels + i, v * im);
    }
  }
  static void zero_point(int64_t place, float* out) {
    for (int64_t i = 0; i < kPoint; i += kLanes) store(out + place * kPoint + i, zero());
  }
  void clear(int64_t from, float* out) const {
    for (; from < c_.tables.points; ++from) zero_point(from, out);
  }

  const LongConvolution& c_;
  int64_t first_, channels_;
  Fft<kFftChannels> fft_;
};

/// fn(a's point, b's point) of every point and vector; what it returns replaces b's.
template <typename F>
void combine(int64_t floats, const float* a, float* b, F&& fn) {
  for (int64_t p = 0; p < floats; p += kPoint)
    for (int64_t i = 0; i < kFftChannels; i += kLanes) {
      float* const re = b + p + i;
      float* const im = re + kFftChannels;
      const Complex c =
          fn(Complex{load(a + p + i), load(a + p + kFftChannels + i)}, Complex{load(re), load(im)}, p + i);
      store(re, c.re);
      store(im, c.im);
    }
}

void multiply_spectra(int64_t floats, const float* a, float* b) {
  combine(floats, a, b, [](Complex x, Complex y, int64_t) { return times(x, y); });
}

template <typename T>
void convolve(const LongConvolution& c, void* out, int64_t index, float* scratch) {
  const Block block(c, index);
  float* const kernel = scratch;
  float* const data = kernel + block.floats();
  block.transform_kernel(kernel);
  for (int64_t s = 0; s < c.sequences; ++s) {
    const int64_t begin = c.cu_seqlens[s], end = c.cu_seqlens[s + 1];
    if (begin == end) continue;
    block.transform<T>(c.u, begin, end, false, data);
    multiply_spectra(block.floats(), kernel, data);
    block.inverse(data);
    for (int64_t t = 0; t < end - begin; ++t) {
      T* const y = static_cast<T*>(out) + (begin + t) * c.channels + block.column();
      block.each_result(t, data, [&](int64_t i, Part w, Vec v) { store(y + i, v, w); });
    }
  }
}

/// With dy reversed in time, so that its first row comes at L - 1: du reversed is its product with the
/// kernel, and dkernel reversed, summed over the sequences, that with u.
template <typename T>
void differentiate(const LongConvolutionGrad& g, int64_t index, float* scratch) {
  const LongConvolution& c = g.convolution;
  const Block block(c, index);
  const int64_t floats = block.floats();
  float* const kernel = scratch;
  float* const u = kernel + floats;
  float* const dy = u + floats;
  float* const products = dy + floats;
  block.transform_kernel(kernel);
  for (int64_t i = 0; i < floats; i += kLanes) store(products + i, zero());
  for (int64_t s = 0; s < c.sequences; ++s) {
    const int64_t begin = c.cu_seqlens[s], end = c.cu_seqlens[s + 1];
    if (begin == end) continue;
    block.transform<T>(c.u, begin, end, false, u);
    block.transform<T>(g.dy, begin, end, true, dy);
    combine(floats, u, products, [dy](Complex x, Complex sum, int64_t at) {
      return sum + times(x, Complex{load(dy + at), load(dy + at + kFftChannels)});
    });
    multiply_spectra(floats, kernel, dy);
    block.inverse(dy);
    for (int64_t t = 0; t < end - begin; ++t) {
      const int64_t at = (begin + t) * c.channels + block.column();
      block.each_result(c.length - 1 - t, dy, [&](int64_t i, Part w, Vec v) {
        if (g.du_acc) v = v + load(static_cast<const T*>(g.du_acc) + at + i, w);
        store(static_cast<T*>(g.du) + at + i, v, w);
      });
    }
  }
  block.inverse(products);
  const Vec scale = broadcast(1.0f / static_cast<float>(c.tables.points));
  for (int64_t l = 0; l < c.length; ++l) {
    float row[kFftChannels];
    block.each_result(c.length - 1 - l, products, [&](int64_t i, Part, Vec v) { store(row + i, v * scale); });
    for (int64_t i = 0; i < block.channels(); ++i) g.dkernel[(block.column() + i) * c.length + l] = row[i];
  }
}

}  // namespace

void long_convolution_block(const LongConvolution& c, void* y, int64_t block, float* scratch) {
  c.bf16 ? convolve<Bf16>(c, y, block, scratch) : convolve<float>(c, y, block, scratch);
}

void long_convolution_grad_block(const LongConvolutionGrad& g, int64_t block, float* scratch) {
  g.convolution.bf16 ? differentiate<Bf16>(g, block, scratch) : differentiate<float>(g, block, scratch);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
