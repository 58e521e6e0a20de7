#include "planner/cost/calibration.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace tidemark {
namespace {

/// Kinds that took less of the time than this say nothing about what the device can do.
constexpr double kSmallestShare = 0.002;

struct Total {
  DType dtype = DType::f32;
  Work work;
  double seconds = 0;
};

struct Bin {
  double log_model = 0, model = 0, seconds = 0;
  int count = 0;
};

}  // namespace

OpSample op_sample(const OpView& op, double seconds) {
  return {.kind = kind_and_dtype(op),
          .dtype = compute_dtype(op),
          .work = op.op().def->work(op),
          .seconds = seconds};
}

DeviceSpeed calibrated_speed(const std::vector<OpSample>& samples, int threads) {
  std::map<std::string, Total> totals;
  double all = 0, shortest = INFINITY;
  for (const OpSample& s : samples) {
    if (!(s.seconds > 0)) continue;  // below the clock's resolution
    Total& total = totals[s.kind];
    total.dtype = s.dtype;
    total.work.flops += s.work.flops;
    total.work.bytes += s.work.bytes;
    total.seconds += s.seconds;
    all += s.seconds;
    shortest = std::min(shortest, s.seconds);
  }
  if (totals.empty())
    throw Error("cannot calibrate", "measured ops", "there are none", "run at least one training step");
  DeviceSpeed speed;
  speed.seconds_per_op = shortest;
  speed.threads = threads;
  for (const auto& [kind, total] : totals) {
    if (total.seconds < kSmallestShare * all) continue;
    double& flops = total.dtype == DType::bf16 ? speed.bf16_flops_per_second : speed.flops_per_second;
    flops = std::max(flops, total.work.flops / total.seconds);
    speed.bytes_per_second = std::max(speed.bytes_per_second, total.work.bytes / total.seconds);
  }
  if (speed.flops_per_second == 0) speed.flops_per_second = speed.bf16_flops_per_second;

  std::map<std::string, std::map<int, Bin>> bins;
  for (const OpSample& s : samples) {
    if (!(s.seconds > 0)) continue;
    const double model = roofline_seconds(s.work, s.dtype, speed);
    Bin& bin = bins[s.kind][std::ilogb(model)];
    bin.log_model += std::log(model);
    bin.model += model;
    bin.seconds += s.seconds;
    ++bin.count;
  }
  for (const auto& [kind, by_size] : bins)
    for (const auto& [size, bin] : by_size)
      speed.kinds[kind].push_back(
          {.model_seconds = std::exp(bin.log_model / bin.count), .factor = bin.seconds / bin.model});
  return speed;
}

}  // namespace tidemark
