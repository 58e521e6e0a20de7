#pragma once

#include "executor/ops/column_sum_device.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

/// gelu(v) = v share(v), and the derivative of that.
struct ExactGelu {
  TIDEMARK_HOST_DEVICE static float share(float v) {
    return fmaf(0.5f, erff(v * 0.707106781186547524f), 0.5f);
  }
  TIDEMARK_HOST_DEVICE static float slope(float v) {
    return fmaf(v, 0.398942280401432678f * expf(-0.5f * v * v), share(v));
  }
};

struct TanhGelu {
  static constexpr float kScale = 0.797884560802865356f, kCubic = 0.044715f;
  TIDEMARK_HOST_DEVICE static float tanh_of(float v) { return tanhf(kScale * v * fmaf(kCubic * v, v, 1.0f)); }
  TIDEMARK_HOST_DEVICE static float share(float v) { return fmaf(0.5f, tanh_of(v), 0.5f); }
  TIDEMARK_HOST_DEVICE static float slope(float v) {
    const float t = tanh_of(v), inner = kScale * fmaf(3 * kCubic * v, v, 1.0f);
    return 0.5f * fmaf(v * inner, fmaf(-t, t, 1.0f), t + 1.0f);
  }
};

template <typename T, typename Gelu, typename Device>
void skip_gelu_forward(const KernelArgs& args, Device& device) {
  const int64_t columns = args.op.in(0).shape[1];
  const T* const x = args.in<T>(0);
  const T* const u = args.in<T>(1);
  const float* const d = args.in<float>(2);
  T* const y = args.out<T>(0);
  constexpr int kWide = device::kWide<T>;
  device::each_span<kWide>(
      device, args.op.in(0).shape.elements(), columns % kWide == 0, TIDEMARK_BODY(auto at) {
        const int64_t row_begin = device::split(at.first, columns).quotient * columns;
        const auto skip = at.load(d - row_begin), skipped = at.load(u), from = at.load(x);
        at.store(y, [&](int j) {
          const float v = fmaf(skip[j], skipped[j], from[j]);
          return v * Gelu::share(v);
        });
      });
}

template <typename T, typename Gelu, typename Device>
void skip_gelu_backward(const KernelArgs& args, Device& device) {
  const int64_t rows = args.op.in(1).shape[0], columns = args.op.in(1).shape[1];
  const T* const dy = args.in<T>(0);
  const T* const x = args.in<T>(1);
  const T* const u = args.in<T>(2);
  const float* const d = args.in<float>(3);
  T* const dx = args.out<T>(0);
  T* const du = args.out<T>(1);
  auto* const parts = static_cast<float*>(args.workspace);  // of the gradient of D
  const int64_t blocks = cuda::row_parts(rows);
  constexpr int kWide = device::kWide<T>;
  each_part<kWide>(
      device, rows, columns, columns % kWide == 0,
      TIDEMARK_BODY(int64_t part, int64_t begin, int64_t end, auto at) {
        const auto skip = at.load(d);
        auto sum = at.all([](int) { return 0.0f; });
        for (int64_t row = begin; row < end; ++row) {
          const int64_t from = row * columns;
          const auto skipped = at.load(u + from), direct = at.load(x + from), of_y = at.load(dy + from);
          const auto grad =
              at.all([&](int j) { return of_y[j] * Gelu::slope(fmaf(skip[j], skipped[j], direct[j])); });
          sum = at.all([&](int j) { return fmaf(grad[j], skipped[j], sum[j]); });
          at.store(dx + from, [&](int j) { return grad[j]; });
          at.store(du + from, [&](int j) { return grad[j] * skip[j]; });
        }
        at.store(parts + part * columns, [&](int j) { return sum[j]; });
      });
  sum_columns<float, float>(device, parts, blocks, columns, columns, nullptr, args.out<float>(2));
}

template <typename T, typename Device>
void skip_gelu_typed(const KernelArgs& args, Device& device) {
  args.op.attributes().flag("tanh") ? skip_gelu_forward<T, TanhGelu>(args, device)
                                    : skip_gelu_forward<T, ExactGelu>(args, device);
}
template <typename T, typename Device>
void skip_gelu_grad_typed(const KernelArgs& args, Device& device) {
  args.op.attributes().flag("tanh") ? skip_gelu_backward<T, TanhGelu>(args, device)
                                    : skip_gelu_backward<T, ExactGelu>(args, device);
}

template <typename Device>
void skip_gelu_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), skip_gelu_typed, args, device);
}
template <typename Device>
void skip_gelu_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), skip_gelu_grad_typed, args, device);
}

}  // namespace tidemark::ops
