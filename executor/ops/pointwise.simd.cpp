#include "executor/ops/pointwise.h"

#include "executor/cpu/simd_math.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {

using namespace cpu::TIDEMARK_ISA_NS;

namespace {

template <typename T>
const T* input(const Pointwise& p, int i) {
  return static_cast<const T*>(p.inputs[i]);
}
template <typename T>
T* output(const Pointwise& p, int i) {
  return static_cast<T*>(p.outputs[i]);
}

template <typename T>
void swiglu_typed(const Pointwise& p, int64_t begin, int64_t end) {
  lanes(begin, end, [&](int64_t i, auto w) {
    const Vec gate = load(input<T>(p, 0) + i, w), up = load(input<T>(p, 1) + i, w);
    store(output<T>(p, 0) + i, gate * sigmoid(gate) * up, w);
  });
}

template <typename T>
void swiglu_grad_typed(const Pointwise& p, int64_t begin, int64_t end) {
  const Vec one = broadcast(1);
  lanes(begin, end, [&](int64_t i, auto w) {
    const Vec dy = load(input<T>(p, 0) + i, w);
    const Vec gate = load(input<T>(p, 1) + i, w), up = load(input<T>(p, 2) + i, w);
    const Vec s = sigmoid(gate);
    store(output<T>(p, 0) + i, dy * up * s * fma(gate, one - s, one), w);
    store(output<T>(p, 1) + i, dy * gate * s, w);
  });
}

template <typename T>
void glu_typed(const Pointwise& p, int64_t begin, int64_t end) {
  lanes(begin, end, [&](int64_t i, auto w) {
    store(output<T>(p, 0) + i, load(input<T>(p, 0) + i, w) * sigmoid(load(input<T>(p, 1) + i, w)), w);
  });
}

template <typename T>
void glu_grad_typed(const Pointwise& p, int64_t begin, int64_t end) {
  const Vec one = broadcast(1);
  lanes(begin, end, [&](int64_t i, auto w) {
    const Vec dy = load(input<T>(p, 0) + i, w), x = load(input<T>(p, 1) + i, w);
    const Vec open = sigmoid(load(input<T>(p, 2) + i, w)), dx = dy * open;
    store(output<T>(p, 0) + i, dx, w);
    store(output<T>(p, 1) + i, dx * x * (one - open), w);
  });
}

template <typename T>
void gated_lerp_typed(const Pointwise& p, int64_t begin, int64_t end) {
  lanes(begin, end, [&](int64_t i, auto w) {
    const Vec x = load(input<T>(p, 0) + i, w), y = load(input<T>(p, 1) + i, w);
    store(output<T>(p, 0) + i, fma(y - x, sigmoid(load(input<T>(p, 2) + i, w)), x), w);
  });
}

template <typename T>
void gated_lerp_grad_typed(const Pointwise& p, int64_t begin, int64_t end) {
  lanes(begin, end, [&](int64_t i, auto w) {
    const Vec dz = load(input<T>(p, 0) + i, w);
    const Vec x = load(input<T>(p, 1) + i, w), y = load(input<T>(p, 2) + i, w);
    const Vec open = sigmoid(load(input<T>(p, 3) + i, w)), dy = dz * open, dx = dz - dy;
    store(output<T>(p, 0) + i, dx, w);
    store(output<T>(p, 1) + i, dy, w);
    store(output<T>(p, 2) + i, dx * open * (y - x), w);
  });
}

template <typename T, typename Other>
void add_typed(const Pointwise& p, int64_t begin, int64_t end) {
  lanes(begin, end, [&](int64_t i, auto w) {
    store(output<T>(p, 0) + i, load(input<T>(p, 0) + i, w) + load(input<Other>(p, 1) + i, w), w);
  });
}

template <typename T, typename From>
void convert_typed(const Pointwise& p, int64_t begin, int64_t end) {
  convert(input<From>(p, 0) + begin, output<T>(p, 0) + begin, end - begin);
}

template <typename T>
void dropout_typed(const Pointwise& p, const DropoutMask& mask, int64_t begin, int64_t end) {
  constexpr int64_t kBatch = 4 * kPhiloxBatch;
  uint32_t words[kBatch];
  float factors[kBatch];
  for (int64_t batch = begin; batch < end; batch += kBatch) {
    philox(mask.key, static_cast<uint64_t>(batch) / 4, mask.site, words);
    for (int64_t i = 0; i < kBatch; ++i) factors[i] = words[i] >= mask.threshold ? mask.scale : 0.0f;
    lanes(0, smaller(kBatch, end - batch), [&](int64_t i, auto w) {
      const Vec kept = load(input<T>(p, 0) + batch + i, w) * load(factors + i, w);
      store(output<T>(p, 0) + batch + i, select_less(zero(), load(factors + i, w), kept, zero()), w);
    });
  }
}

}  // namespace

void swiglu_range(const Pointwise& p, int64_t begin, int64_t end) {
  p.bf16 ? swiglu_typed<Bf16>(p, begin, end) : swiglu_typed<float>(p, begin, end);
}

void swiglu_grad_range(const Pointwise& p, int64_t begin, int64_t end) {
  p.bf16 ? swiglu_grad_typed<Bf16>(p, begin, end) : swiglu_grad_typed<float>(p, begin, end);
}

void glu_range(const Pointwise& p, int64_t begin, int64_t end) {
  p.bf16 ? glu_typed<Bf16>(p, begin, end) : glu_typed<float>(p, begin, end);
}

void glu_grad_range(const Pointwise& p, int64_t begin, int64_t end) {
  p.bf16 ? glu_grad_typed<Bf16>(p, begin, end) : glu_grad_typed<float>(p, begin, end);
}

void gated_lerp_range(const Pointwise& p, int64_t begin, int64_t end) {
  p.bf16 ? gated_lerp_typed<Bf16>(p, begin, end) : gated_lerp_typed<float>(p, begin, end);
}

void gated_lerp_grad_range(const Pointwise& p, int64_t begin, int64_t end) {
  p.bf16 ? gated_lerp_grad_typed<Bf16>(p, begin, end) : gated_lerp_grad_typed<float>(p, begin, end);
}

void add_range(const Pointwise& p, bool other_bf16, int64_t begin, int64_t end) {
  if (p.bf16)
    other_bf16 ? add_typed<Bf16, Bf16>(p, begin, end) : add_typed<Bf16, float>(p, begin, end);
  else
    other_bf16 ? add_typed<float, Bf16>(p, begin, end) : add_typed<float, float>(p, begin, end);
}

void convert_range(const Pointwise& p, bool from_bf16, int64_t begin, int64_t end) {
  if (p.bf16)
    from_bf16 ? convert_typed<Bf16, Bf16>(p, begin, end) : convert_typed<Bf16, float>(p, begin, end);
  else
    from_bf16 ? convert_typed<float, Bf16>(p, begin, end) : convert_typed<float, float>(p, begin, end);
}

void dropout_range(const Pointwise& p, const DropoutMask& mask, int64_t begin, int64_t end) {
  p.bf16 ? dropout_typed<Bf16>(p, mask, begin, end) : dropout_typed<float>(p, mask, begin, end);
}

void philox(const uint32_t* key, uint64_t counter, uint64_t site, uint32_t* words) {
  uint32_t x[4][kPhiloxBatch];
  for (int64_t i = 0; i < kPhiloxBatch; ++i) {
    const uint64_t at = counter + static_cast<uint64_t>(i);
    x[0][i] = static_cast<uint32_t>(at);
    x[1][i] = static_cast<uint32_t>(at >> 32);
    x[2][i] = static_cast<uint32_t>(site);
    x[3][i] = static_cast<uint32_t>(site >> 32);
  }
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    for (int64_t i = 0; i < kPhiloxBatch; ++i) {
      const uint64_t a = uint64_t{0xD2511F53} * x[0][i];
      const uint64_t b = uint64_t{0xCD9E8D57} * x[2][i];
      x[0][i] = static_cast<uint32_t>(b >> 32) ^ x[1][i] ^ k0;
      x[1][i] = static_cast<uint32_t>(b);
      x[2][i] = static_cast<uint32_t>(a >> 32) ^ x[3][i] ^ k1;
      x[3][i] = static_cast<uint32_t>(a);
    }
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  for (int64_t i = 0; i < kPhiloxBatch; ++i)
    for (int64_t j = 0; j < 4; ++j) words[4 * i + j] = x[j][i];
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
