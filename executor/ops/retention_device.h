// Retention on a device, as the recurrence that it is; of bf16 in whole chunks, on tensor cores.
#pragma once

#include "executor/ops/outer_scan_device.h"
#include "executor/ops/outer_scan_warp.h"

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

  /// What a row's sum over v is multiplied with, from the sum of its scores.
  TIDEMARK_HOST_DEVICE float normalizer(int64_t row, int64_t head, float scores) const {
    const int32_t* const begins = by_values.cu_seqlens;
    const int64_t place = row - begins[device::sequence_at(begins, by_values.sequences + 1, row)];
    const double sum = (1 - pow(decays[head], static_cast<double>(place + 1))) / (1 - decays[head]);
    const double root = sqrt(sum), size = fabs(static_cast<double>(scores)) / root;
    return static_cast<float>(1 / (root * device::smaller(5e4, device::larger(1.0, size))));
  }
  TIDEMARK_HOST_DEVICE float key(int64_t row, int64_t head, int64_t i) const {
    return scale * k(row, head, i);
  }
  TIDEMARK_HOST_DEVICE float decay(int64_t head) const { return static_cast<float>(decays[head]); }
  /// Of states [chunks, heads, keys, values + 1].
  TIDEMARK_HOST_DEVICE int64_t saved(int64_t chunk, int64_t head, int64_t i, int64_t j) const {
    return ((chunk * heads + head) * k.columns + i) * (v.columns + 1) + j;
  }
};

/// q, k, v are inputs `first` and the following; `spilled` is what the scans' blocks have in the workspace.
template <typename T, typename Device>
DeviceRetention<T> device_retention(const KernelArgs& args, Device& device, int first, int cu_seqlens,
                                    void* spilled) {
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
  r.by_values = outer_shape(args, cu_seqlens, r.heads, r.k.columns, r.v.columns, spilled);
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

/// The sums of scores: the state's column for ones.
template <typename T>
struct RetentionScores : RetentionForward<T> {
  using RetentionForward<T>::r;
  float* normalizer = nullptr;

  TIDEMARK_HOST_DEVICE float right(int64_t, int64_t, int64_t) const { return 1; }
  TIDEMARK_HOST_DEVICE void after(int64_t row, int64_t head, int64_t i, int64_t, float state) const {
    this->save(row, head, i, r.v.columns, state);
  }
  TIDEMARK_HOST_DEVICE void out(int64_t row, int64_t head, int64_t, float scores) const {
    normalizer[row * r.heads + head] = r.normalizer(row, head, scores);
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

/// Rows of whole chunks of bf16, which tensor cores take.
template <typename T>
bool on_tensor_cores(const DeviceRetention<T>& r) {
  return std::is_same_v<T, Bf16> && r.k.columns % device::kChunk == 0 && r.v.columns % device::kChunk == 0 &&
         r.k.columns <= cuda::kMostLeft;
}

/// An operand's columns of a head from `first` on.
inline HeadOperand head_operand(const HeadColumns<Bf16>& x, int64_t first, int64_t columns) {
  const auto int_of = [](int64_t n) { return static_cast<int>(n); };
  return {x.at, int_of(x.heads * x.columns), int_of(first), int_of(x.columns), 1, int_of(columns)};
}
inline HeadOperand head_operand(const HeadColumns<Bf16>& x) {
  return head_operand(x, 0, x.columns);
}

/// With the decays' logarithms, behind the decays.
template <typename Device>
OuterProducts retention_products(Device& device, const DeviceRetention<Bf16>& r) {
  const double* const decays = r.decays;
  auto* const logs = reinterpret_cast<float*>(r.decays + r.heads);
  device.each(
      r.heads, TIDEMARK_BODY(int64_t i) { logs[i] = static_cast<float>(log2(decays[i])); });
  OuterProducts s;
  s.sequences = static_cast<int>(r.by_values.sequences);
  s.heads = static_cast<int>(r.heads);
  s.rows = static_cast<int>(r.rows);
  s.chunk_rows = static_cast<int>(std::min(r.rows, r.chunk_rows));
  s.cu_seqlens = r.by_values.cu_seqlens;
  s.log_decays = logs;
  return s;
}

template <typename Device>
void retention_on_tensor_cores(Device& device, const DeviceRetention<Bf16>& r, Bf16* o, float* normalizer,
                               float* states) {
  OuterProducts s = retention_products(device, r);
  s.query = head_operand(r.q);
  s.left = head_operand(r.k);
  s.into.common = r.scale;
  s.states = states;
  s.state_columns = static_cast<int>(r.v.columns) + 1;
  OuterProducts scores = s;
  scores.sums = normalizer;
  scores.out_stride = s.heads;
  scores.first_state_column = s.state_columns - 1;
  outer_products<false>(device, scores);
  device.each(
      r.rows * r.heads,
      TIDEMARK_BODY(int64_t i) { normalizer[i] = r.normalizer(i / r.heads, i % r.heads, normalizer[i]); });
  s.right = head_operand(r.v);
  s.out_of.of = normalizer;
  s.out = o;
  s.out_stride = s.right.stride;
  outer_products<false>(device, s);
}

template <typename T, typename Device>
void retention_typed(const KernelArgs& args, Device& device) {
  std::byte* const spilled = static_cast<std::byte*>(args.workspace) + cuda::retention_decays_bytes(args.op);
  const DeviceRetention<T> r = device_retention<T>(args, device, 0, 3, spilled);
  float* const states = args.out<float>(2);
  device.zero(states, 4 * r.saved(1, 0, 0, 0));
  if constexpr (std::is_same_v<T, Bf16>)
    if (on_tensor_cores(r))
      return retention_on_tensor_cores(device, r, args.out<T>(0), args.out<float>(1), states);
  RetentionScores<T> scores;
  scores.r = r;
  scores.states = states;
  scores.normalizer = args.out<float>(1);
  outer_scan<false>(device, outer_shape(args, 3, r.heads, r.k.columns, 1, spilled), scores);
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

/// Where v has more columns than a kernel takes, dq and dk are sums in f32 over parts of them.
template <typename Device>
void retention_grad_on_tensor_cores(Device& device, const DeviceRetention<Bf16>& r,
                                    const HeadColumns<Bf16>& dout, const float* normalizer, void* dq,
                                    void* dk, Bf16* dv) {
  const OuterProducts all = retention_products(device, r);
  const int64_t values = r.v.columns, width = cuda::retention_part(values);
  const auto to = [&](OuterProducts& s, void* out) {
    (width < values ? reinterpret_cast<void*&>(s.sums) : reinterpret_cast<void*&>(s.out)) = out;
    s.out_stride = s.right.stride;
  };
  for (int64_t first = 0; first < values; first += width) {
    const int64_t columns = std::min(width, values - first);
    OuterProducts s = all;
    s.adds = first > 0;
    s.query = head_operand(dout, first, columns);
    s.left = head_operand(r.v, first, columns);
    s.right = head_operand(r.k);
    s.out_of = {normalizer, r.scale};
    to(s, dq);
    outer_products<false>(device, s);
    std::swap(s.query, s.left);
    s.right = head_operand(r.q);
    s.into.of = normalizer;
    s.out_of = {nullptr, r.scale};
    to(s, dk);
    outer_products<true>(device, s);
  }
  OuterProducts s = all;
  s.query = head_operand(r.k);
  s.left = head_operand(r.q);
  s.right = head_operand(dout);
  s.into = {normalizer, r.scale};
  s.out = dv;
  s.out_stride = s.right.stride;
  outer_products<true>(device, s);
}

template <typename T, typename Device>
void retention_grad_scans(const KernelArgs& args, Device& device, const DeviceRetention<T>& r,
                          const HeadColumns<T>& dout, const float* normalizer, T* dq, T* dk) {
  using Scan = RetentionGradient<T>;
  Scan scan;
  scan.r = r;
  scan.dout = dout;
  scan.normalizer = normalizer;
  const OuterShape by_keys = outer_shape(args, 6, r.heads, r.v.columns, r.k.columns, r.by_values.spilled);
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
}

template <typename From, typename T, typename Device>
void move_gradients(Device& device, int64_t n, const From* dq_from, const From* dk_from, T* dq, T* dk) {
  device.each(
      n, TIDEMARK_BODY(int64_t i) {
        device::store(dq + i, device::to_float(dq_from[i]));
        device::store(dk + i, device::to_float(dk_from[i]));
      });
}

// dq and dk may be stored over q and k, which the other scans read: they wait in the workspace.
template <typename T, typename Device>
void retention_grad_typed(const KernelArgs& args, Device& device) {
  const cuda::RetentionGradSpace space = cuda::retention_grad_space(args.op);
  std::byte* const dq = static_cast<std::byte*>(args.workspace) + space.decays_bytes;
  std::byte* const dk = dq + space.query_bytes;
  const DeviceRetention<T> r = device_retention<T>(args, device, 1, 6, dk + space.query_bytes);
  const HeadColumns<T> dout{args.in<T>(0), r.heads, r.v.columns};
  const float* const normalizer = args.in<float>(4);
  const auto move = [&](const auto* dq_from, const auto* dk_from) {
    move_gradients(device, args.op.in(1).shape.elements(), dq_from, dk_from, args.out<T>(0), args.out<T>(1));
  };
  if constexpr (std::is_same_v<T, Bf16>)
    if (on_tensor_cores(r)) {
      retention_grad_on_tensor_cores(device, r, dout, normalizer, dq, dk, args.out<T>(2));
      if (cuda::retention_part(r.v.columns) < r.v.columns)
        return move(reinterpret_cast<const float*>(dq), reinterpret_cast<const float*>(dk));
      return move(reinterpret_cast<const T*>(dq), reinterpret_cast<const T*>(dk));
    }
  retention_grad_scans(args, device, r, dout, normalizer, reinterpret_cast<T*>(dq), reinterpret_cast<T*>(dk));
  move(reinterpret_cast<const T*>(dq), reinterpret_cast<const T*>(dk));
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
