// How one token chooses its experts, and the gradient of what it gives them: the same text on the CPU and on
// a device.
#pragma once

#include "executor/device/group.h"
#include "executor/kernel.h"

namespace tidemark::ops {

struct Router {
  int64_t experts = 0, top_k = 0, groups = 0, top_groups = 0;
  bool softmax = false, normalize = false;
  float scale = 1;

  TIDEMARK_HOST_DEVICE int64_t group_size() const { return experts / groups; }
  /// Of a softmax: the largest logit, and the sum of what the others are to it.
  struct Total {
    float top = 0, sum = 1;
  };
  TIDEMARK_HOST_DEVICE Total total(const float* logits) const {
    if (!softmax) return {};
    Total t{logits[0], 0};
    for (int64_t e = 1; e < experts; ++e) t.top = device::larger(t.top, logits[e]);
    for (int64_t e = 0; e < experts; ++e) t.sum += expf(logits[e] - t.top);
    return t;
  }
  TIDEMARK_HOST_DEVICE float score(const Total& t, float logit) const {
    return softmax ? expf(logit - t.top) / t.sum : device::sigmoid(logit);
  }
};

/// What makes a sum of scores that are all zero divisible.
inline constexpr float kLeastTotal = 1e-20f;

inline Router router_of(const KernelArgs& args, int logits) {
  const Attributes& a = args.op.attributes();
  Router r;
  r.experts = args.op.in(logits).shape[1];
  r.top_k = a.integer("top_k");
  r.groups = a.integer("groups");
  r.top_groups = a.integer("top_groups");
  r.softmax = a.text("function") == "softmax";
  r.normalize = a.flag("normalize");
  r.scale = static_cast<float>(a.number("scale"));
  return r;
}

/// A bit for each group that may be chosen from: those with the largest sums of their two best, of equal ones
/// the first.
TIDEMARK_HOST_DEVICE inline uint64_t best_groups(const Router& r, const float* choice, int64_t stride) {
  uint64_t chosen = 0;
  for (int64_t n = 0; n < r.top_groups; ++n) {
    int64_t best = -1;
    float most = 0;
    for (int64_t g = 0; g < r.groups; ++g) {
      if (chosen >> g & 1) continue;
      float first = -INFINITY, second = -INFINITY;
      for (int64_t i = 0; i < r.group_size(); ++i) {
        const float x = choice[(g * r.group_size() + i) * stride];
        second = device::larger(second, device::smaller(first, x));
        first = device::larger(first, x);
      }
      const float sum = r.group_size() > 1 ? first + second : first;
      if (best >= 0 && !(sum > most)) continue;
      best = g;
      most = sum;
    }
    chosen |= uint64_t{1} << best;
  }
  return chosen;
}

/// Experts in the order of their choice, of equal ones the first. `choice`: scratch, a number per expert
/// `stride` apart. Whatever the logits are, the experts are some of those there are.
TIDEMARK_HOST_DEVICE inline void route(const Router& r, const float* logits, const float* bias, float* choice,
                                       int64_t stride, float* weights, int32_t* experts) {
  const Router::Total total = r.total(logits);
  for (int64_t e = 0; e < r.experts; ++e)
    choice[e * stride] = r.score(total, logits[e]) + (bias ? bias[e] : 0.0f);
  const uint64_t groups = r.top_groups < r.groups ? best_groups(r, choice, stride) : ~uint64_t{0};
  float sum = 0;
  for (int64_t k = 0; k < r.top_k; ++k) {
    int64_t best = -1;
    for (int64_t e = 0; e < r.experts; ++e) {
      const float x = choice[e * stride];
      if (x == -INFINITY || !(groups >> e / r.group_size() & 1)) continue;
      if (best < 0 || x > choice[best * stride]) best = e;
    }
    if (best < 0) best = k;  // only infinite biases leave too few
    choice[best * stride] = -INFINITY;
    experts[k] = static_cast<int32_t>(best);
    weights[k] = r.score(total, logits[best]);
    sum += weights[k];
  }
  const float factor = r.normalize ? r.scale / (sum + kLeastTotal) : r.scale;
  for (int64_t k = 0; k < r.top_k; ++k) weights[k] *= factor;
}

/// A chosen expert's gradient of the score.
TIDEMARK_HOST_DEVICE inline void route_grad(const Router& r, const float* dweights, const float* logits,
                                            const int32_t* experts, float* dlogits) {
  const Router::Total total = r.total(logits);
  float sum = kLeastTotal, dot = 0;  // of the chosen scores; with the weights' gradients
  for (int64_t k = 0; k < r.top_k; ++k) {
    const float s = r.score(total, logits[experts[k]]);
    sum += s;
    dot = fmaf(dweights[k], s, dot);
  }
  const auto dscore = [&](int64_t k) {
    return r.normalize ? r.scale / sum * (dweights[k] - dot / sum) : r.scale * dweights[k];
  };
  float mean = 0;  // of a softmax: the gradients of all scores, weighted by them
  if (r.softmax)
    for (int64_t k = 0; k < r.top_k; ++k) mean = fmaf(dscore(k), r.score(total, logits[experts[k]]), mean);
  for (int64_t e = 0; e < r.experts; ++e) dlogits[e] = r.softmax ? -mean * r.score(total, logits[e]) : 0.0f;
  for (int64_t k = 0; k < r.top_k; ++k) {
    const float s = r.score(total, logits[experts[k]]);
    dlogits[experts[k]] += dscore(k) * s * (r.softmax ? 1.0f : 1.0f - s);
  }
}

}  // namespace tidemark::ops
