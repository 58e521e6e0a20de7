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
  device.each(
      args.op.in(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const float v = fmaf(d[i % columns], device::to_float(u[i]), device::to_float(x[i]));
        device::store(y + i, v * Gelu::share(v));
      });
}

template <typename T, typename Gelu, typename Device>
void skip_gelu_backward(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const int64_t rows = args.op.in(1).shape[0], columns = args.op.in(1).shape[1];
  const T* const dy = args.in<T>(0);
  const T* const x = args.in<T>(1);
  const T* const u = args.in<T>(2);
  const float* const d = args.in<float>(3);
  T* const dx = args.out<T>(0);
  T* const du = args.out<T>(1);
  auto* const parts = static_cast<float*>(args.workspace);  // of the gradient of D
  const int64_t blocks = cuda::row_parts(rows);
  device.launch(
      blocks, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t block) {
        const int64_t begin = block * cuda::kPartRows;
        const int64_t end = device::smaller(rows, begin + cuda::kPartRows);
        group.each(columns, [&](int64_t i) {
          float sum = 0;
          for (int64_t row = begin; row < end; ++row) {
            const int64_t at = row * columns + i;
            const float skipped = device::to_float(u[at]);
            const float v = fmaf(d[i], skipped, device::to_float(x[at]));
            const float grad = device::to_float(dy[at]) * Gelu::slope(v);
            sum = fmaf(grad, skipped, sum);
            device::store(dx + at, grad);
            device::store(du + at, grad * d[i]);
          }
          parts[block * columns + i] = sum;
        });
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
