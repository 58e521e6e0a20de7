#include "planner/remat/kept_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "planner/plan.h"
#include "tests/planner/small_graph.h"

namespace tidemark {
namespace {

/// Seconds of remaking all that the backward reads, from what is kept and the block's output.
class Remaking {
 public:
  Remaking(const SearchGraph& graph, const Block& block) : graph_(graph), block_(block) {}

  double seconds(const KeptValues& kept) {
    there_.assign(graph_.values.size(), false);
    for (ValueId v : kept) there_[static_cast<size_t>(v)] = true;
    seconds_ = 0;
    for (OpId id : block_.backward) remake(graph_.ops[static_cast<size_t>(id)].reads);
    return seconds_;
  }

 private:
  void remake(const std::vector<ValueId>& values) {
    for (ValueId v : values) {
      const OpId producer = graph_.values[static_cast<size_t>(v)].producer;
      if (there_[static_cast<size_t>(v)] ||
          !std::count(block_.forward.begin(), block_.forward.end(), producer))
        continue;
      const SearchGraph::Op& op = graph_.ops[static_cast<size_t>(producer)];
      remake(op.reads);
      seconds_ += op.seconds;
      for (ValueId made : op.makes) there_[static_cast<size_t>(made)] = true;
    }
  }

  const SearchGraph& graph_;
  const Block& block_;
  std::vector<bool> there_;
  double seconds_ = 0;
};

Block whole_graph(const Graph& graph) {
  Block block;
  for (size_t i = 0; i < graph.ops().size(); ++i)
    (graph.ops()[i].phase == Phase::forward ? block.forward : block.backward).push_back(static_cast<OpId>(i));
  block.output = graph.op(block.forward.back()).outputs[0];
  return block;
}

TEST(KeptValues, AreTheCornersOfAllSubsets) {
  int corners = 0;
  for (unsigned seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    const test::SmallGraph g = test::random_training_graph(seed, 3 + static_cast<int>(seed % 5));
    const SearchGraph flat = make_search_graph(g.graph, g.seconds, {}, 1);
    const Block block = whole_graph(g.graph);
    Remaking remaking(flat, block);
    std::vector<ValueId> values;  // that may be kept, or not
    for (OpId id : block.forward)
      for (ValueId v : flat.ops[static_cast<size_t>(id)].makes)
        if (v != block.output) values.push_back(v);
    const auto bytes = [&](const KeptValues& kept) {
      int64_t sum = 0;
      for (ValueId v : kept) sum += v == block.output ? 0 : flat.values[static_cast<size_t>(v)].bytes;
      return sum;
    };

    std::map<int64_t, double> fastest;  // by bytes
    for (unsigned subset = 0; subset < 1u << values.size(); ++subset) {
      KeptValues kept = {block.output};
      for (size_t k = 0; k < values.size(); ++k)
        if (subset >> k & 1) kept.insert(values[k]);
      const double seconds = remaking.seconds(kept);
      const auto [at, added] = fastest.emplace(bytes(kept), seconds);
      if (!added) at->second = std::min(at->second, seconds);
    }
    std::map<int64_t, double> found;
    for (const KeptValues& kept : best_kept_values(flat, block)) {
      EXPECT_TRUE(kept.contains(block.output));
      const int64_t size = bytes(kept);
      EXPECT_TRUE(found.emplace(size, remaking.seconds(kept)).second) << "twice";
      EXPECT_EQ(found.at(size), fastest.at(size)) << size << " bytes";
    }
    // No subset is below the line between two neighbours.
    ASSERT_EQ(found.begin()->first, 0);
    EXPECT_EQ(found.rbegin()->second, 0);
    for (auto left = found.begin(), right = std::next(left); right != found.end(); left = right++) {
      const double slope = (right->second - left->second) / static_cast<double>(right->first - left->first);
      for (const auto& [size, seconds] : fastest)
        EXPECT_GE(seconds, left->second + slope * static_cast<double>(size - left->first) - 1e-9);
    }
    corners += static_cast<int>(found.size());
  }
  EXPECT_GT(corners, 400);
}

}  // namespace
}  // namespace tidemark
