#include "planner/offload/bound.h"

#include <algorithm>

#include "planner/remat/lower_bound.h"

namespace tidemark {
namespace {

constexpr int kHalvings = 8;            // each a lower_bound()
constexpr double kRounding = 1 + 1e-9;  // seconds are summed in another order here

}  // namespace

double offload_lower_bound(const SearchGraph& graph, int64_t room, const OffloadKinds& kinds,
                           int64_t state_bytes, const HostLink& link, double known, double found) {
  // Copies that do not overlap have what the ops leave of the step, for the way there and the way back.
  const auto away = [&](double seconds) {
    const double bytes =
        link.bytes_per_second * (link.overlaps ? seconds : std::max(0.0, seconds - known) / 2);
    return kinds.activations ? bytes : std::min(bytes, static_cast<double>(state_bytes));
  };
  const auto possible = [&](double seconds) {
    const double enlarged = static_cast<double>(room) + away(seconds);
    // Beyond an integer's range, the host takes anything.
    return enlarged >= 0x1p62 ||
           lower_bound(graph, static_cast<int64_t>(enlarged)).seconds <= seconds * kRounding;
  };
  double impossible = known, open = found;
  if (found <= known || possible(known)) return std::min(known, found);
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (impossible + open) / 2;
    (possible(middle) ? open : impossible) = middle;
  }
  return impossible;
}

}  // namespace tidemark
