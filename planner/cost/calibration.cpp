#include "planner/cost/calibration.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace tidemark {
namespace {

/// Kinds that took less of the time than this say nothing about what the device can do.
constexpr double kSmallestShare = 0.002;

struct Bin {
  double seconds = 0;
  int count = 0;
};

bool was_timed(const OpSample& sample) {
  return sample.seconds > 0;  // 0: below the clock's resolution
}

}  // namespace

OpSample op_sample(const OpView& op, double seconds) {
  return {.kind = detailed_kind(op),
          .dtype = compute_dtype(op),
          .work = op.op().def->work(op),
          .size = size_of(op),
          .seconds = seconds};
}

std::vector<KindTotal> totals_by_kind(const std::vector<OpSample>& samples) {
  std::map<std::string, KindTotal> kinds;
  for (const OpSample& s : samples) {
    if (!was_timed(s)) continue;
    KindTotal& total = kinds[s.kind];
    total.kind = s.kind;
    total.dtype = s.dtype;
    total.work.flops += s.work.flops;
    total.work.bytes += s.work.bytes;
    total.seconds += s.seconds;
  }
  std::vector<KindTotal> totals;
  for (auto& [kind, total] : kinds) totals.push_back(std::move(total));
  std::sort(totals.begin(), totals.end(),
            [](const KindTotal& a, const KindTotal& b) { return a.seconds > b.seconds; });
  return totals;
}

DeviceSpeed calibrated_speed(const std::vector<OpSample>& samples, int threads) {
  const std::vector<KindTotal> totals = totals_by_kind(samples);
  if (totals.empty())
    throw Error("cannot calibrate", "measured ops", "there are none", "run at least one training step");
  double all = 0;
  for (const KindTotal& total : totals) all += total.seconds;
  DeviceSpeed speed;
  speed.threads = threads;
  speed.seconds_per_op = INFINITY;
  for (const OpSample& s : samples)
    if (was_timed(s)) speed.seconds_per_op = std::min(speed.seconds_per_op, s.seconds);
  for (const KindTotal& total : totals) {
    if (total.seconds < kSmallestShare * all) continue;
    double& flops = total.dtype == DType::bf16 ? speed.bf16_flops_per_second : speed.flops_per_second;
    flops = std::max(flops, total.work.flops / total.seconds);
    speed.bytes_per_second = std::max(speed.bytes_per_second, total.work.bytes / total.seconds);
  }
  if (speed.flops_per_second == 0) speed.flops_per_second = speed.bf16_flops_per_second;

  std::map<std::string, std::map<std::vector<double>, Bin>> bins;
  for (const OpSample& s : samples) {
    if (!was_timed(s)) continue;
    Bin& bin = bins[s.kind][s.size];
    bin.seconds += s.seconds;
    ++bin.count;
  }
  for (const auto& [kind, by_size] : bins)
    for (const auto& [size, bin] : by_size)
      speed.kinds[kind].push_back({.seconds = bin.seconds / bin.count, .size = size});
  return speed;
}

}  // namespace tidemark
