// Retention on a device, as the recurrence that it is.
#pragma once

#include "executor/ops/outer_scan_device.h"

namespace tidemark::ops {

/// Decays that travel as a kernel's parameter.
struct RetentionDecays {
  static constexpr int64_t kMost = 256;
  double of[kMost];
};

/// An operand [rows, heads * columns].
template <typename T>
struct HeadColumns {
  const T* at = nullptr;
  int64_t heads = 0, columns = 0;

  TIDEMARK_HOST_DEVICE int64_t index(int64_t row, int64_t head, int64_t i) const {
    return (row * heads + head) * columns + i;
  }
  TIDEMARK_HOST_DEVICE float operator()(int64_t row, int64_t head, int64_t i) const {
    return device::to_float(at[index(row, head, i)]);
  }
};

template <typename T>
struct DeviceRetention {
  int64_t rows = 0, heads = 0, chunk_rows = 0;
  float scale = 0;
  double* decays = nullptr;  ///< of each head, in the workspace
  HeadColumns<T> q, k, v;
  OuterShape by_values;  ///< [keys, values]

  TIDEMARK_HOST_DEVICE float key(int64_t row, int64_t head, int64_t i) const {
    return scale * k(row, head, i);
  }
  TIDEMARK_HOST_DEVICE float decay(int64_t head) const { return static_cast<float>(decays[head]); }
  /// Of states [chunks, heads, keys, values + 1].
  TIDEMARK_HOST_DEVICE int64_t saved(int64_t chunk, int64_t head, int64_t i, int64_t j) const {
    return ((chunk * heads + head) * k.columns + i) * (v.columns + 1) + j;
  }
};

/// q, k, v are inputs `first` and the following.
template <typename T, typename Device>
DeviceRetention<T> device_retention(const KernelArgs& args, Device& device, int first, int cu_seqlens) {
  const std::vector<double>& decays = args.op.attributes().numbers("decays");
  DeviceRetention<T> r;
  r.rows = args.op.in(first).shape[0];
  r.heads = static_cast<int64_t>(decays.size());
  r.chunk_rows = args.op.attributes().integer("chunk_rows");
  r.scale = static_cast<float>(args.op.attributes().number("scale"));
  r.decays = static_cast<double*>(args.workspace);
  const auto operand = [&](int i) {
    return HeadColumns<T>{args.in<T>(i), r.heads, args.op.in(i).shape[1] / r.heads};
  };
  r.q = operand(first);
  r.k = operand(first + 1);
  r.v = operand(first + 2);
  r.by_values = outer_shape(args, cu_seqlens, r.heads, r.k.columns, r.v.columns);
  double* const to = r.decays;
  for (int64_t begin = 0; begin < r.heads; begin += RetentionDecays::kMost) {
    const int64_t n = std::min(RetentionDecays::kMost, r.heads - begin);
    RetentionDecays some{};
    std::copy_n(decays.begin() + begin, n, some.of);
    device.each(
        n, TIDEMARK_BODY(int64_t i) { to[begin + i] = some.of[i]; });
  }
  return r;
}

/// The states before chunks, as forward scans leave them.
template <typename T>
struct RetentionForward : OuterScan {
  static constexpr bool kSaves = true;
  DeviceRetention<T> r;
  float* states = nullptr;

  TIDEMARK_HOST_DEVICE float query(int64_t row, int64_t head, int64_t i) const { return r.q(row, head, i); }
  TIDEMARK_HOST_DEVICE float left(int64_t row, int64_t head, int64_t i) const { return r.key(row, head, i); }
  TIDEMARK_HOST_DEVICE float decay(int64_t, int64_t head, int64_t) const { return r.decay(head); }
  TIDEMARK_HOST_DEVICE bool saves(int64_t row) const {
    return (row + 1) % r.chunk_rows == 0 && row + 1 < r.rows;
  }
  TIDEMARK_HOST_DEVICE void save(int64_t row, int64_t head, int64_t i, int64_t j, float state) const {
    states[r.saved((row + 1) / r.chunk_rows, head, i, j)] = state;
  }
};

/// What a row's sum over v is multiplied with, from the sum of its scores: the state's column for ones.
template <typename T>
struct RetentionScores : RetentionForward<T> {
  using RetentionForward<T>::r;
  const int32_t* cu_seqlens = nullptr;
  int64_t entries = 0;
  float* normalizer = nullptr;

  TIDEMARK_HOST_DEVICE float right(int64_t, int64_t, int64_t) const { return 1; }
  TIDEMARK_HOST_DEVICE void after(int64_t row, int64_t head, int64_t i, int64_t, float state) const {
    this->save(row, head, i, r.v.columns, state);
  }
  TIDEMARK_HOST_DEVICE void out(int64_t row, int64_t head, int64_t, float scores) const {
    const double decay = r.decays[head];
    const int64_t place = row - cu_seqlens[device::sequence_at(cu_seqlens, entries, row)];
    const double decays = (1 - pow(decay, static_cast<double>(place + 1))) / (1 - decay);
    const double root = sqrt(decays), size = fabs(static_cast<double>(scores)) / root;
    normalizer[row * r.heads + head] =
        static_cast<float>(1 / (root * device::smaller(5e4, device::larger(1.0, size))));
  }
};

template <typename T>
struct RetentionValues : RetentionForward<T> {
  using RetentionForward<T>::r;
  const float* normalizer = nullptr;
  T* o = nullptr;

  TIDEMARK_HOST_DEVICE float right(int64_t row, int64_t head, int64_t j) const { return r.v(row, head, j); }
  TIDEMARK_HOST_DEVICE void after(int64_t row, int64_t head, int64_t i, int64_t j, float state) const {
    this->save(row, head, i, j, state);
  }
  TIDEMARK_HOST_DEVICE void out(int64_t row, int64_t head, int64_t j, float sum) const {
    device::store(o + r.v.index(row, head, j), normalizer[row * r.heads + head] * sum);
  }
};

template <typename T, typename Device>
void retention_typed(const KernelArgs& args, Device& device) {
  const DeviceRetention<T> r = device_retention<T>(args, device, 0, 3);
  float* const states = args.out<float>(2);
  device.zero(states, 4 * r.saved(1, 0, 0, 0));
  RetentionScores<T> scores;
  scores.r = r;
  scores.states = states;
  scores.cu_seqlens = r.by_values.cu_seqlens;
  scores.entries = r.by_values.sequences + 1;
  scores.normalizer = args.out<float>(1);
  outer_scan<false>(device, outer_shape(args, 3, r.heads, r.k.columns, 1), scores);
  RetentionValues<T> values;
  values.r = r;
  values.states = states;
  values.normalizer = scores.normalizer;
  values.o = args.out<T>(0);
  outer_scan<false>(device, r.by_values, values);
}

// With g = normalizer do and S the state after a row, dq = S g, and with G the sum of later rows' decayed q
// g^T: dk = G v, dv = G^T k. Three scans, each with what it makes in the columns.

/// Operands of one of them; `out` may be `right`'s.
template <typename T>
struct RetentionGradient : OuterScan {
  enum Operand { kQuery, kKey, kValue, kOutput };
  DeviceRetention<T> r;
  HeadColumns<T> dout;
  const float* normalizer = nullptr;
  Operand query_is = kQuery, left_is = kQuery, right_is = kQuery;
  float factor = 1;
  T* to = nullptr;
  int64_t columns = 0;

  TIDEMARK_HOST_DEVICE float operand(Operand which, int64_t row, int64_t head, int64_t i) const {
    switch (which) {
      case kQuery: return r.q(row, head, i);
      case kKey: return r.key(row, head, i);
      case kValue: return r.v(row, head, i);
      case kOutput: return normalizer[row * r.heads + head] * dout(row, head, i);
    }
    return NAN;
  }
  TIDEMARK_HOST_DEVICE float query(int64_t row, int64_t head, int64_t i) const {
    return operand(query_is, row, head, i);
  }
  TIDEMARK_HOST_DEVICE float left(int64_t row, int64_t head, int64_t i) const {
    return operand(left_is, row, head, i);
  }
  TIDEMARK_HOST_DEVICE float right(int64_t row, int64_t head, int64_t j) const {
    return operand(right_is, row, head, j);
  }
  TIDEMARK_HOST_DEVICE float decay(int64_t, int64_t head, int64_t) const { return r.decay(head); }
  TIDEMARK_HOST_DEVICE void out(int64_t row, int64_t head, int64_t j, float sum) const {
    device::store(to + (row * r.heads + head) * columns + j, factor * sum);
  }
};

// dq and dk may be stored over q and k, which the other scans read: they wait in the workspace.
template <typename T, typename Device>
void retention_grad_typed(const KernelArgs& args, Device& device) {
  using Scan = RetentionGradient<T>;
  const DeviceRetention<T> r = device_retention<T>(args, device, 1, 6);
  const cuda::RetentionGradSpace space = cuda::retention_grad_space(args.op);
  Scan scan;
  scan.r = r;
  scan.dout = {args.in<T>(0), r.heads, r.v.columns};
  scan.normalizer = args.in<float>(4);
  auto* const dq = reinterpret_cast<T*>(static_cast<std::byte*>(args.workspace) + space.decays_bytes);
  auto* const dk = reinterpret_cast<T*>(reinterpret_cast<std::byte*>(dq) + space.query_bytes);
  const OuterShape by_keys = outer_shape(args, 6, r.heads, r.v.columns, r.k.columns);
  scan.columns = r.k.columns;
  scan.query_is = Scan::kOutput;
  scan.left_is = Scan::kValue;
  scan.right_is = Scan::kKey;
  scan.to = dq;
  outer_scan<false>(device, by_keys, scan);
  scan.query_is = Scan::kValue;
  scan.left_is = Scan::kOutput;
  scan.right_is = Scan::kQuery;
  scan.factor = r.scale;
  scan.to = dk;
  outer_scan<true>(device, by_keys, scan);
  scan.columns = r.v.columns;
  scan.query_is = Scan::kKey;
  scan.left_is = Scan::kQuery;
  scan.right_is = Scan::kOutput;
  scan.factor = 1;
  scan.to = args.out<T>(2);
  outer_scan<true>(device, r.by_values, scan);

  T* const dq_out = args.out<T>(0);
  T* const dk_out = args.out<T>(1);
  device.each(
      args.op.in(1).shape.elements(), TIDEMARK_BODY(int64_t i) {
        dq_out[i] = dq[i];
        dk_out[i] = dk[i];
      });
}

template <typename Device>
void retention_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), retention_typed, args, device);
}
template <typename Device>
void retention_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), retention_grad_typed, args, device);
}

}  // namespace tidemark::ops
