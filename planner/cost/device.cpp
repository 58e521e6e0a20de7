#include "planner/cost/device.h"

#include <algorithm>
#include <cmath>

namespace tidemark {
namespace {

constexpr size_t kNeighbours = 4;
constexpr double kSame = 1e-3;  // of the logarithm of a size

struct Neighbour {
  double distance = 0;  // squared
  double log_factor = 0;
};

Work work_of(const MeasuredSize& m) {
  return {.flops = m.size[0], .bytes = m.size[1]};
}

double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::log((1 + std::max(a[i], 0.0)) / (1 + std::max(b[i], 0.0)));
    sum += d * d;
  }
  return sum;
}

void add_neighbours(const std::vector<MeasuredSize>& measured, const std::vector<double>& size, DType dtype,
                    const DeviceSpeed& speed, std::vector<Neighbour>& all) {
  for (const MeasuredSize& m : measured)
    if (m.size.size() == size.size())
      all.push_back({.distance = squared_distance(m.size, size),
                     .log_factor = std::log(m.seconds / roofline_seconds(work_of(m), dtype, speed))});
}

bool is_of(std::string_view detailed, std::string_view kind) {
  return detailed.substr(0, kind.size()) == kind &&
         (detailed.size() == kind.size() || detailed[kind.size()] == '+');
}

/// Those of the op's kind, or of what is next to it.
std::vector<Neighbour> neighbours(const OpView& op, const DeviceSpeed& speed) {
  std::vector<Neighbour> all;
  const std::vector<double> size = size_of(op);
  const DType dtype = compute_dtype(op);
  const auto exact = speed.kinds.find(detailed_kind(op));
  if (exact != speed.kinds.end()) add_neighbours(exact->second, size, dtype, speed, all);
  if (!all.empty()) return all;
  const std::string kind = kind_and_dtype(op);
  for (auto k = speed.kinds.lower_bound(kind);
       k != speed.kinds.end() && k->first.compare(0, kind.size(), kind) == 0; ++k)
    if (is_of(k->first, kind)) add_neighbours(k->second, size, dtype, speed, all);
  return all;
}

/// Inverse distance weighting (Shepard 1968) of the logarithms.
double factor(std::vector<Neighbour> all) {
  if (all.empty()) return 1;
  const size_t count = std::min(kNeighbours, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(),
                    [](const Neighbour& a, const Neighbour& b) { return a.distance < b.distance; });
  double sum = 0, weights = 0;
  for (size_t i = 0; i < count; ++i) {
    const double weight = 1 / std::max(all[i].distance, kSame * kSame);
    sum += weight * all[i].log_factor;
    weights += weight;
  }
  return std::exp(sum / weights);
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

std::string detailed_kind(const OpView& op) {
  std::string kind = kind_and_dtype(op);
  const std::vector<std::string_view>& names = op.op().def->input_names;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i].back() == '?' && op.has_in(static_cast<int>(i)))
      kind += "+" + std::string(names[i].substr(0, names[i].size() - 1));
  for (const auto& [name, value] : op.attributes().entries()) {
    if (const auto* flag = std::get_if<bool>(&value); flag && *flag) kind += "+" + name;
    if (const auto* word = std::get_if<std::string>(&value)) kind += "+" + *word;
  }
  return kind;
}

std::vector<double> size_of(const OpView& op) {
  const Work work = op.op().def->work(op);
  const bool rows = op.has_in(0) && op.in(0).shape.rank() > 0;
  std::vector<double> size = {work.flops, work.bytes, rows ? static_cast<double>(op.in(0).shape[0]) : 1};
  for (const auto& [name, value] : op.attributes().entries())
    if (const auto* integer = std::get_if<int64_t>(&value); integer && name != "site")  // a number of a place
      size.push_back(static_cast<double>(*integer));
  return size;
}

double roofline_seconds(const Work& work, DType dtype, const DeviceSpeed& speed) {
  const bool narrow = dtype == DType::bf16 && speed.bf16_flops_per_second > 0;
  return std::max(work.flops / (narrow ? speed.bf16_flops_per_second : speed.flops_per_second),
                  work.bytes / speed.bytes_per_second) +
         speed.seconds_per_op;
}

double op_seconds(const OpView& op, const DeviceSpeed& speed) {
  const double model = roofline_seconds(op.op().def->work(op), compute_dtype(op), speed);
  return speed.kinds.empty() ? model : model * factor(neighbours(op, speed));
}

DeviceSpeed cpu_speed(int threads) {
  const double n = std::max(threads, 1);
  return {.flops_per_second = 70e9 * n, .bytes_per_second = 10e9 * std::min(n, 8.0), .seconds_per_op = 3e-6};
}

}  // namespace tidemark
