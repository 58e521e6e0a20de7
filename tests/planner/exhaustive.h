// The fastest of all orders of a small graph's ops within a memory, by shortest path over everything that
// a machine can have done and hold.
#pragma once

#include <cstdint>
#include <limits>
#include <queue>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"
#include "graph/op_def.h"
#include "planner/schedule.h"

namespace tidemark::test {

/// For graphs without sharing of storage, of at most 32 ops and 32 values that ops make.
class Exhaustive {
 public:
  Exhaustive(const Graph& graph, const std::vector<double>& seconds) : seconds_(seconds) {
    std::vector<int> bit(graph.values().size(), -1);
    for (size_t v = 0; v < graph.values().size(); ++v) {
      const int64_t bytes = (graph.values()[v].bytes() + 63) / 64 * 64;
      if (graph.values()[v].producer == kNone) {
        standing_ += bytes;
        continue;
      }
      bit[v] = static_cast<int>(bytes_.size());
      bytes_.push_back(bytes);
      readers_.push_back(0);
    }
    for (ValueId v : graph.outputs()) outputs_ |= mask(bit[static_cast<size_t>(v)]);
    for (size_t i = 0; i < graph.ops().size(); ++i) {
      const Op& op = graph.ops()[i];
      Run run;
      for (ValueId v : op.inputs)
        if (v != kNone && bit[static_cast<size_t>(v)] >= 0) {
          run.reads |= mask(bit[static_cast<size_t>(v)]);
          readers_[static_cast<size_t>(bit[static_cast<size_t>(v)])] |= mask(static_cast<int>(i));
        }
      for (ValueId v : op.outputs) run.makes |= mask(bit[static_cast<size_t>(v)]);
      run.workspace = (op.def->workspace(OpView(graph, op), {}) + 63) / 64 * 64;
      run.again = may_run_again(op);
      if (run.again) again_ |= mask(static_cast<int>(i));
      runs_.push_back(run);
    }
    all_ = runs_.size() == 32 ? ~0u : mask(static_cast<int>(runs_.size())) - 1;
  }

  /// Seconds of the fastest order with at most `budget` bytes live at once, infinite if there is none.
  double fastest(int64_t budget) const {
    struct Entry {
      double seconds;
      uint64_t state;
      bool operator<(const Entry& other) const { return seconds > other.seconds; }
    };
    std::unordered_map<uint64_t, double> best = {{0, 0}};
    std::priority_queue<Entry> queue;
    queue.push({0, 0});
    while (!queue.empty()) {
      const auto [so_far, state] = queue.top();
      queue.pop();
      if (best.at(state) < so_far) continue;
      const auto done = static_cast<uint32_t>(state >> 32), live = static_cast<uint32_t>(state);
      if (done == all_ && (outputs_ & ~live) == 0) return so_far;
      for (size_t i = 0; i < runs_.size(); ++i) {
        const Run& run = runs_[i];
        const bool ran = (done >> i & 1) != 0;
        if ((run.reads & ~live) != 0 || (ran && (!run.again || (run.makes & ~live) == 0))) continue;
        const uint32_t then = done | mask(static_cast<int>(i));
        const double seconds = so_far + seconds_[i];
        drop(live & ~run.makes, run, budget, 0, [&](uint32_t kept) {
          const uint64_t next = uint64_t{then} << 32 | useful(kept | run.makes, then);
          const auto [at, added] = best.emplace(next, seconds);
          if (!added && at->second <= seconds) return;
          at->second = seconds;
          queue.push({seconds, next});
        });
      }
    }
    return std::numeric_limits<double>::infinity();
  }

 private:
  struct Run {
    uint32_t reads = 0, makes = 0;
    int64_t workspace = 0;
    bool again = false;
  };

  static uint32_t mask(int bit) { return bit < 0 ? 0 : uint32_t{1} << bit; }

  int64_t sum(uint32_t values) const {
    int64_t bytes = 0;
    for (size_t v = 0; v < bytes_.size(); ++v)
      if ((values >> v & 1) != 0) bytes += bytes_[v];
    return bytes;
  }

  /// Without what nobody will read any more.
  uint32_t useful(uint32_t live, uint32_t done) const {
    uint32_t kept = live & outputs_;
    for (size_t v = 0; v < bytes_.size(); ++v)
      if ((readers_[v] & (~done | again_)) != 0) kept |= live & mask(static_cast<int>(v));
    return kept;
  }

  /// Every smallest choice of values to give up, from the `from`-th on, so that the run fits.
  template <typename Visit>
  void drop(uint32_t live, const Run& run, int64_t budget, size_t from, Visit visit) const {
    const int64_t excess = standing_ + sum(live | run.makes) + run.workspace - budget;
    if (excess <= 0) return visit(live);
    for (size_t v = from; v < bytes_.size(); ++v) {
      const uint32_t bit = mask(static_cast<int>(v));
      if ((live & bit) == 0 || (run.reads & bit) != 0) continue;
      drop(live & ~bit, run, budget, v + 1, visit);
    }
  }

  const std::vector<double>& seconds_;
  std::vector<Run> runs_;
  std::vector<int64_t> bytes_;
  std::vector<uint32_t> readers_;  // by value: ops
  uint32_t outputs_ = 0, again_ = 0, all_ = 0;
  int64_t standing_ = 0;
};

}  // namespace tidemark::test
