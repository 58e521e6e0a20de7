#include "planner/cost/device.h"

#include <algorithm>
#include <cmath>

namespace tidemark {
namespace {

/// Between the two that `seconds` lies between, along the logarithm; beyond the ends as at them.
double factor_at(const std::vector<Slowdown>& curve, double seconds) {
  const auto above =
      std::find_if(curve.begin(), curve.end(), [&](const Slowdown& s) { return s.model_seconds >= seconds; });
  if (above == curve.begin()) return curve.front().factor;
  if (above == curve.end()) return curve.back().factor;
  const Slowdown& a = *std::prev(above);
  const Slowdown& b = *above;
  const double share = std::log(seconds / a.model_seconds) / std::log(b.model_seconds / a.model_seconds);
  return a.factor + share * (b.factor - a.factor);
}

}  // namespace

DType compute_dtype(const OpView& op) {
  for (int i = 0; i < op.inputs(); ++i)
    if (op.has_in(i) && (op.in(i).dtype == DType::f32 || op.in(i).dtype == DType::bf16))
      return op.in(i).dtype;
  return DType::f32;
}

std::string kind_and_dtype(const OpView& op) {
  return std::string(op.op().def->name) + "/" + std::string(name_of(compute_dtype(op)));
}

double roofline_seconds(const Work& work, DType dtype, const DeviceSpeed& speed) {
  const bool narrow = dtype == DType::bf16 && speed.bf16_flops_per_second > 0;
  return std::max(work.flops / (narrow ? speed.bf16_flops_per_second : speed.flops_per_second),
                  work.bytes / speed.bytes_per_second) +
         speed.seconds_per_op;
}

double op_seconds(const OpView& op, const DeviceSpeed& speed) {
  const double model = roofline_seconds(op.op().def->work(op), compute_dtype(op), speed);
  const auto found = speed.kinds.find(kind_and_dtype(op));
  return found == speed.kinds.end() ? model : model * factor_at(found->second, model);
}

DeviceSpeed cpu_speed(int threads) {
  const double n = std::max(threads, 1);
  return {.flops_per_second = 70e9 * n, .bytes_per_second = 10e9 * std::min(n, 8.0), .seconds_per_op = 3e-6};
}

}  // namespace tidemark
