// Attention with its probabilities in memory, to compare with: products head by head, and softmaxes by rows.
#pragma once

#include "executor/ops/device_operands.h"
#include "graph/cuda_scan_workspace.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

template <typename T>
struct DeviceScores {
  int64_t sequences = 0, heads = 0, kv_heads = 0, dim = 0, length = 0;
  bool causal = false;
  float scale = 1;
  DType dtype = DType::f32;
  void* scratch = nullptr;  ///< a product's

  /// A head's [length, dim] in a matrix of so many heads' columns.
  int64_t matrix(int64_t sequence, int64_t head, int64_t of_heads) const {
    return (sequence * length * of_heads + head) * dim;
  }
  /// Its [length, length].
  int64_t square(int64_t sequence, int64_t head) const { return (sequence * heads + head) * length * length; }
  int64_t kv_head(int64_t head) const { return head * kv_heads / heads; }
  TIDEMARK_HOST_DEVICE int64_t visible(int64_t row) const { return causal ? row + 1 : length; }

  /// A product of matrices of the op's dtype, all but c.
  device::Matmul product(int64_t m, int64_t n, int64_t k) const {
    device::Matmul p;
    p.m = m;
    p.n = n;
    p.k = k;
    p.dtype = p.c_dtype = dtype;
    p.workspace = scratch;
    return p;
  }
  /// [length, length] = x y^T, of heads in matrices of so many columns.
  device::Matmul scores_of(const T* x, int64_t ldx, const T* y, int64_t ldy) const {
    device::Matmul p = product(length, length, dim);
    p.a = x;
    p.lda = ldx;
    p.b = y;
    p.ldb = ldy;
    p.b_transposed = true;
    p.ldc = length;
    return p;
  }
  /// [length, dim] = scores x, or their transpose's.
  device::Matmul rows_of(const T* scores, bool transposed, const T* x, int64_t ldx, T* y, int64_t ldy) const {
    device::Matmul p = product(length, dim, length);
    p.a = scores;
    p.lda = length;
    p.a_transposed = transposed;
    p.b = x;
    p.ldb = ldx;
    p.c = y;
    p.ldc = ldy;
    return p;
  }
};

/// q, k and v are inputs `first` and the following.
template <typename T>
DeviceScores<T> device_scores(const KernelArgs& args, int first) {
  const Attributes& a = args.op.attributes();
  const TensorType& q = args.op.in(first);
  DeviceScores<T> s;
  s.heads = a.integer("heads");
  s.kv_heads = a.integer("kv_heads");
  s.dim = q.shape[1] / s.heads;
  s.length = a.integer("length");
  s.sequences = q.shape[0] / s.length;
  s.causal = a.flag("causal");
  s.scale = static_cast<float>(a.number("scale"));
  s.dtype = q.dtype;
  s.scratch = args.workspace;
  return s;
}

template <typename T, typename Device>
void eager_attention_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceScores<T> s = device_scores<T>(args, 0);
  const int64_t wide = s.heads * s.dim, narrow = s.kv_heads * s.dim;
  T* const probabilities = args.out<T>(1);
  const auto each_head = [&](auto&& fn) {
    for (int64_t sequence = 0; sequence < s.sequences; ++sequence)
      for (int64_t head = 0; head < s.heads; ++head)
        fn(s.matrix(sequence, head, s.heads), s.matrix(sequence, s.kv_head(head), s.kv_heads),
           probabilities + s.square(sequence, head));
  };
  each_head([&](int64_t q, int64_t kv, T* square) {
    device::Matmul p = s.scores_of(args.in<T>(0) + q, wide, args.in<T>(1) + kv, narrow);
    p.c = square;
    device.matmul(p);
  });
  device.launch(
      s.sequences * s.heads * s.length, lanes_for(s.length), 0, TIDEMARK_BODY(Group & group, int64_t index) {
        T* const row = probabilities + index * s.length;
        const int64_t n = s.visible(index % s.length);
        const float top = group.template max<float>(
            n, -INFINITY, [&](int64_t i) { return s.scale * device::to_float(row[i]); });
        const float total = group.template sum<float>(
            n, [&](int64_t i) { return expf(s.scale * device::to_float(row[i]) - top); });
        group.each(s.length, [&](int64_t i) {
          device::store(row + i, i < n ? expf(s.scale * device::to_float(row[i]) - top) / total : 0.0f);
        });
      });
  each_head([&](int64_t q, int64_t kv, const T* square) {
    device.matmul(s.rows_of(square, false, args.in<T>(2) + kv, narrow, args.out<T>(0) + q, wide));
  });
}

// dv = p^T do; dp = do v^T; ds = p (dp - sum of p dp) scale; dq = ds k; dk = ds^T q. The heads of a group add
// up in dk and dv one after the other.
template <typename T, typename Device>
void eager_attention_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceScores<T> s = device_scores<T>(args, 1);
  const int64_t wide = s.heads * s.dim, narrow = s.kv_heads * s.dim;
  auto* const dp = reinterpret_cast<float*>(static_cast<std::byte*>(args.workspace) + cuda::kMatmulWorkspace);
  auto* const ds = reinterpret_cast<T*>(dp + s.length * s.length);
  for (int64_t sequence = 0; sequence < s.sequences; ++sequence)
    for (int64_t head = 0; head < s.heads; ++head) {
      const int64_t q = s.matrix(sequence, head, s.heads), kv_head = s.kv_head(head);
      const int64_t kv = s.matrix(sequence, kv_head, s.kv_heads);
      const bool adds = head > 0 && s.kv_head(head - 1) == kv_head;
      const T* const p = args.in<T>(4) + s.square(sequence, head);
      const T* const dout = args.in<T>(0) + q;
      device::Matmul dv = s.rows_of(p, true, dout, wide, args.out<T>(2) + kv, narrow);
      dv.start = adds ? dv.c : nullptr;
      device.matmul(dv);
      device::Matmul products = s.scores_of(dout, wide, args.in<T>(3) + kv, narrow);
      products.c = dp;
      products.c_dtype = DType::f32;
      device.matmul(products);
      device.launch(
          s.length, lanes_for(s.length), 0, TIDEMARK_BODY(Group & group, int64_t row) {
            const int64_t n = s.visible(row), at = row * s.length;
            const float mean = group.template sum<float>(
                n, [&](int64_t i) { return device::to_float(p[at + i]) * dp[at + i]; });
            group.each(s.length, [&](int64_t i) {
              device::store(ds + at + i,
                            i < n ? s.scale * device::to_float(p[at + i]) * (dp[at + i] - mean) : 0.0f);
            });
          });
      device.matmul(s.rows_of(ds, false, args.in<T>(2) + kv, narrow, args.out<T>(0) + q, wide));
      device::Matmul dk = s.rows_of(ds, true, args.in<T>(1) + q, wide, args.out<T>(1) + kv, narrow);
      dk.start = adds ? dk.c : nullptr;
      device.matmul(dk);
    }
}

template <typename Device>
void eager_attention_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), eager_attention_typed, args, device);
}
template <typename Device>
void eager_attention_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), eager_attention_grad_typed, args, device);
}

}  // namespace tidemark::ops
