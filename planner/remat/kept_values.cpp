#include "planner/remat/kept_values.h"

#include <cstddef>

#include "planner/remat/remake_cut.h"

namespace tidemark {
namespace {

constexpr size_t kMostCorners = 64;

RemakeCut make_cut(const SearchGraph& graph, const Block& block) {
  std::vector<RemakeCut::Behind> behind(graph.ops.size(), RemakeCut::Behind::never);
  std::vector<bool> there(graph.values.size(), true);
  for (OpId id : block.forward) {
    const SearchGraph::Op& op = graph.ops[static_cast<size_t>(id)];
    if (op.recomputable) behind[static_cast<size_t>(id)] = RemakeCut::Behind::again;
    // What no other run can make is there whatever is kept.
    for (ValueId v : op.makes) there[static_cast<size_t>(v)] = v == block.output || !op.recomputable;
  }
  RemakeCut cut(graph, std::move(behind), std::move(there));
  for (OpId id : block.backward)
    for (ValueId v : graph.ops[static_cast<size_t>(id)].reads) cut.need(v);
  return cut;
}

}  // namespace

std::vector<KeptValues> best_kept_values(const SearchGraph& graph, const Block& block) {
  RemakeCut cut = make_cut(graph, block);
  std::vector<RemakeChoice> corners(1);
  corners.front().live = cut.needs();
  corners.front().bytes = cut.needed_bytes();
  if (RemakeChoice fewest = cut.fewest_bytes(); fewest.bytes < corners.front().bytes)
    corners.push_back(std::move(fewest));
  // Between two neighbours, the price at which they cost the same has another corner, or there is none.
  for (size_t i = 0; i + 1 < corners.size() && corners.size() < kMostCorners;) {
    const RemakeChoice &more = corners[i], &fewer = corners[i + 1];
    const double price = (fewer.seconds - more.seconds) / static_cast<double>(more.bytes - fewer.bytes);
    RemakeChoice between = cut.cheapest(price, 1).choice;
    if (between.bytes < more.bytes && between.bytes > fewer.bytes)
      corners.insert(corners.begin() + static_cast<std::ptrdiff_t>(i) + 1, std::move(between));
    else if (between.bytes == fewer.bytes && between.seconds < fewer.seconds)
      corners[i + 1] = std::move(between);
    else
      ++i;
  }
  std::vector<KeptValues> kept;
  for (const RemakeChoice& c : corners) {
    kept.emplace_back(c.live.begin(), c.live.end());
    if (block.output != kNone) kept.back().insert(block.output);
  }
  return kept;
}

}  // namespace tidemark
