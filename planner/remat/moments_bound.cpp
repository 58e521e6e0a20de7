#include "planner/remat/moments_bound.h"

#include <algorithm>
#include <cmath>

#include "planner/remat/cbc.h"
#include "planner/remat/moment.h"
#include "planner/remat/moments_program.h"

namespace tidemark {

#ifdef TIDEMARK_CBC

namespace {

constexpr double kWork = 16'000;     // ops times the square of moments: a second or less
constexpr double kMostMoments = 10;  // more prove hardly more
constexpr int kIterations = 40'000;
constexpr double kTolerance = 1e-9;  // of sums of seconds

/// Of the ways through the graph, that on which contested ops have most bytes of their own. Ops that may run
/// again are left out: behind them comes a backward op at which more has to be there.
std::vector<OpId> longest_way(const SearchGraph& graph, const std::vector<OpId>& contested) {
  const size_t count = graph.ops.size();
  std::vector<double> own(count, 0), way(count, 0);
  std::vector<OpId> from(count, kNone);
  for (OpId id : contested)
    if (!graph.ops[static_cast<size_t>(id)].recomputable)
      own[static_cast<size_t>(id)] = 1 + static_cast<double>(operand_bytes(graph, id));
  for (size_t i = 0; i < count; ++i) {
    for (OpId a : graph.ops[i].after)
      if (way[static_cast<size_t>(a)] > way[i]) {
        way[i] = way[static_cast<size_t>(a)];
        from[i] = a;
      }
    way[i] += own[i];
  }
  std::vector<OpId> ops;
  for (auto at = static_cast<OpId>(std::max_element(way.begin(), way.end()) - way.begin()); at != kNone;
       at = from[static_cast<size_t>(at)])
    if (own[static_cast<size_t>(at)] > 0) ops.push_back(at);
  std::reverse(ops.begin(), ops.end());
  return ops;
}

/// Of as many equal parts of the way, the op with most bytes of its own.
std::vector<OpId> choose(const SearchGraph& graph, const std::vector<OpId>& way, size_t most) {
  std::vector<OpId> moments;
  const size_t parts = std::min(most, way.size());
  for (size_t k = 0; k < parts; ++k) {
    const auto begin = way.begin() + static_cast<std::ptrdiff_t>(k * way.size() / parts);
    const auto end = way.begin() + static_cast<std::ptrdiff_t>((k + 1) * way.size() / parts);
    moments.push_back(*std::max_element(
        begin, end, [&](OpId a, OpId b) { return operand_bytes(graph, a) < operand_bytes(graph, b); }));
  }
  return moments;
}

}  // namespace

double moments_bound(const SearchGraph& graph, int64_t room, const std::vector<OpId>& contested,
                     const SearchControl& control) {
  const std::vector<OpId> way = longest_way(graph, contested);
  const double most = std::min(kMostMoments, std::sqrt(kWork / static_cast<double>(graph.ops.size())));
  const size_t count = std::min(static_cast<size_t>(most), way.size());
  if (count < 2 || control.stopped()) return 0;
  const MomentsProgram program(graph, choose(graph, way, count), room);
  const double seconds =
      program.seconds_once() + relaxed_bound_with_cbc(program.program(), kIterations, control);
  return std::isfinite(seconds) ? seconds * (1 - kTolerance) : 0;
}

#else

double moments_bound(const SearchGraph&, int64_t, const std::vector<OpId>&, const SearchControl&) {
  return 0;
}

#endif

}  // namespace tidemark
