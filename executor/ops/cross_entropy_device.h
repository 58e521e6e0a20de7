#pragma once

#include <cfloat>

#include "executor/ops/column_sum_device.h"
#include "executor/ops/operands.h"
#include "graph/cuda_workspace.h"
#include "graph/ignored_label.h"

namespace tidemark::ops {

/// A chunk of tokens at a time: logits, softmax and, with gradients, the products that they enter.
template <typename T, typename Device>
class DeviceChunkedLoss {
 public:
  DeviceChunkedLoss(const KernelArgs& args, Device& device, bool with_gradient)
      : args_(args),
        device_(device),
        with_gradient_(with_gradient),
        tokens_(args.op.in(0).shape[0]),
        hidden_(args.op.in(0).shape[1]),
        vocabulary_(args.op.in(1).shape[0]),
        chunk_rows_(std::min(tokens_, args.op.attributes().integer("chunk_rows"))) {
    const auto space =
        cuda::cross_entropy_space(tokens_, vocabulary_, chunk_rows_, args.op.in(0).dtype, with_gradient);
    auto* at = static_cast<std::byte*>(args.workspace);
    product_scratch_ = at;
    logits_ = reinterpret_cast<float*>(at += cuda::kMatmulWorkspace);
    dlogits_ = reinterpret_cast<T*>(at += space.logits_bytes);
    losses_ = reinterpret_cast<float*>(at += space.dlogits_bytes);
    counted_ = reinterpret_cast<int32_t*>(at += space.losses_bytes);
    if (space.dlogits_bytes == 0) dlogits_ = reinterpret_cast<T*>(logits_);
  }

  void run() {
    count_labels();
    for (begin_ = 0; begin_ < tokens_; begin_ += chunk_rows_) {
      rows_ = std::min(chunk_rows_, tokens_ - begin_);
      make_logits();
      make_losses();
      if (!with_gradient_) continue;
      add_weight_gradient();
      make_input_gradient();
    }
    make_mean();
  }

  // Public, since a CUDA kernel may not stand in a private function.
  void count_labels();
  void make_losses();
  void make_mean();

 private:
  using Group = typename Device::Group;

  void make_logits() {
    device::Matmul p = product();
    p.m = rows_;
    p.n = vocabulary_;
    p.k = hidden_;
    p.a = args_.in<T>(0) + begin_ * hidden_;
    p.b = args_.inputs[1];
    p.b_transposed = true;
    p.lda = p.ldb = hidden_;
    p.c = logits_;
    p.ldc = vocabulary_;
    p.c_dtype = DType::f32;
    device_.matmul(p);
  }

  void add_weight_gradient() {
    const bool first = begin_ == 0;
    device::Matmul p = product();
    p.m = vocabulary_;
    p.n = hidden_;
    p.k = rows_;
    p.a = dlogits_;
    p.lda = vocabulary_;
    p.a_transposed = true;
    p.b = args_.in<T>(0) + begin_ * hidden_;
    p.ldb = p.ldc = hidden_;
    p.c = args_.outputs[2];
    p.start = first && !args_.op.has_in(4) ? nullptr : p.c;
    device_.matmul(p);
    if (!args_.op.has_in(3)) return;
    T* const dbias = args_.out<T>(3);
    const T* const start = first && !args_.op.has_in(5) ? nullptr : dbias;
    sum_columns<T, T>(device_, dlogits_, rows_, vocabulary_, vocabulary_, start, dbias);
  }

  /// Over h, where it may be stored: nothing reads this chunk of h any more.
  void make_input_gradient() {
    device::Matmul p = product();
    p.m = rows_;
    p.n = hidden_;
    p.k = vocabulary_;
    p.a = dlogits_;
    p.lda = vocabulary_;
    p.b = args_.inputs[1];
    p.ldb = p.ldc = hidden_;
    p.c = args_.out<T>(1) + begin_ * hidden_;
    device_.matmul(p);
  }

  device::Matmul product() const {
    device::Matmul p;
    p.dtype = p.c_dtype = args_.op.in(0).dtype;
    p.workspace = product_scratch_;
    return p;
  }

  const KernelArgs& args_;
  Device& device_;
  bool with_gradient_;
  int64_t tokens_, hidden_, vocabulary_, chunk_rows_;
  std::byte* product_scratch_;
  float* logits_;
  T* dlogits_;  ///< over the logits, where they are of one type
  float* losses_;
  int32_t* counted_;              ///< labels that are not ignored
  int64_t begin_ = 0, rows_ = 0;  ///< the chunk
};

template <typename T, typename Device>
void DeviceChunkedLoss<T, Device>::count_labels() {
  const int32_t* const labels = args_.in<int32_t>(2);
  const int64_t tokens = tokens_;
  int32_t* const counted = counted_;
  device_.launch(
      1, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t) {
        const auto n = group.template sum<int32_t>(
            tokens, [&](int64_t i) { return labels[i] == kIgnoredLabel ? 0 : 1; });
        group.each(1, [&](int64_t) { *counted = n; });
      });
}

template <typename T, typename Device>
void DeviceChunkedLoss<T, Device>::make_losses() {
  const int32_t* const labels = args_.in<int32_t>(2) + begin_;
  const T* const bias = args_.op.has_in(3) ? args_.in<T>(3) : nullptr;
  const int64_t vocabulary = vocabulary_;
  const Attributes& attributes = args_.op.attributes();
  const auto smoothing =
      static_cast<float>(attributes.has("label_smoothing") ? attributes.number("label_smoothing") : 0);
  const double grad_scale = with_gradient_ ? attributes.number("grad_scale") : 0;
  const bool with_gradient = with_gradient_;
  const int32_t* const counted = counted_;
  const float* const logits = logits_;
  float* const losses = losses_ + begin_;
  T* const dlogits = dlogits_;
  constexpr int kWide = device::kWide<float>;
  // Many to a long row, so that the rows that are worked on at once stay in the cache until they are read
  // again.
  const auto lanes = static_cast<int>(std::clamp<int64_t>(vocabulary / (8 * kWide) / 32 * 32, 32, 512));
  device_.launch(
      rows_, lanes, 2 * 4 * lanes, TIDEMARK_BODY(Group & group, int64_t row) {
        const int32_t label = labels[row];
        const float* const x = logits + row * vocabulary;
        T* const dx = dlogits + row * vocabulary;
        // Of a vocabulary that spans don't divide, rows begin with what is left of one.
        const device::Spans<kWide> spans(vocabulary, true, (kWide - row * vocabulary % kWide) % kWide);
        if (label == kIgnoredLabel) {
          group.each(1, [&](int64_t) { losses[row] = 0; });
          if (with_gradient)
            device::each_span(group, spans, [&](auto at) { at.store(dx, [](int) { return 0.0f; }); });
          return;
        }
        const auto logits_at = [&](auto at) {
          auto values = at.load(x);
          if (bias) values = at.all([&](int j) { return values[j] + device::to_float(bias[at.first + j]); });
          return values;
        };
        // Each lane's greatest, and its sum under that, in one pass.
        float* const tops = group.template shared<float>();
        float* const sums = tops + lanes;
        group.each(lanes, [&](int64_t lane) {
          float greatest = -FLT_MAX, under = 0;  // of what is -inf, e^-inf
          for (int64_t i = lane; i < spans.size(); i += lanes)
            spans.visit(i, [&](auto at) {
              const auto v = logits_at(at);
              float next = greatest;
              TIDEMARK_UNROLL
              for (int j = 0; j < at.kSize; ++j) next = device::larger(next, v[j]);
              if (next > greatest) under *= device::fast_exp(greatest - next);
              greatest = next;
              under += at.sum([&](int j) { return device::fast_exp(v[j] - next); });
            });
          tops[lane] = greatest;
          sums[lane] = under;
        });
        const auto top = group.template max<float>(lanes, -FLT_MAX, [&](int64_t i) { return tops[i]; });
        const auto sum = group.template sum<float>(
            lanes, [&](int64_t i) { return sums[i] * device::fast_exp(tops[i] - top); });
        // Under the target: what all of the vocabulary gets alike, and the label's own.
        const float uniform = smoothing / static_cast<float>(vocabulary), own = 1 - smoothing;
        float below = 0;
        if (smoothing > 0)
          below = device::sum_spans(group, spans, [&](auto at) {
            const auto v = logits_at(at);
            return at.sum([&](int j) { return uniform * (top - v[j]); });
          });
        group.each(1, [&](int64_t) {
          const float at_label = logits_at(device::Span<1>{label})[0];
          losses[row] = logf(sum) + (own * (top - at_label) + below);
        });
        if (!with_gradient) return;
        const auto scale = static_cast<float>(grad_scale / *counted);
        const float share = scale / sum, of_all = scale * uniform, of_label = scale * own;
        device::each_span(group, spans, [&](auto at) {
          const auto v = logits_at(at);
          const auto mine = static_cast<int>(label - at.first);  // where it is in the span
          at.store(dx, [&](int j) {
            const float slope = fmaf(device::fast_exp(v[j] - top), share, -of_all);
            return j == mine ? slope - of_label : slope;
          });
        });
      });
}

template <typename T, typename Device>
void DeviceChunkedLoss<T, Device>::make_mean() {
  const float* const losses = losses_;
  const int64_t tokens = tokens_;
  const int32_t* const counted = counted_;
  float* const loss = args_.out<float>(0);
  device_.launch(
      1, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t) {
        const auto total =
            group.template sum<double>(tokens, [&](int64_t i) { return static_cast<double>(losses[i]); });
        group.each(1, [&](int64_t) { *loss = *counted == 0 ? 0.0f : static_cast<float>(total / *counted); });
      });
}

template <typename T, typename Device>
void cross_entropy_typed(const KernelArgs& args, Device& device, bool with_gradient) {
  DeviceChunkedLoss<T, Device>(args, device, with_gradient).run();
}

template <typename Device>
void linear_cross_entropy_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), cross_entropy_typed, args, device, false);
}
template <typename Device>
void linear_cross_entropy_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), cross_entropy_typed, args, device, true);
}

}  // namespace tidemark::ops
