// The training graph in plain arrays, as searches over orders look at it thousands of times a second.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"
#include "graph/op_def.h"

namespace tidemark {

struct SearchGraph {
  /// The output may take the input's storage where the input dies; `required`: it always does.
  struct Share {
    ValueId in = kNone;
    ValueId out = kNone;
    bool required = false;
  };

  struct Op {
    std::vector<ValueId> reads;  ///< distinct; only values with bytes, as everywhere below
    std::vector<ValueId> makes;
    std::vector<Share> shares;  ///< in the order in which they are tried
    std::vector<OpId> after;    ///< distinct; have run once before it runs at all
    std::vector<OpId> then;     ///< the other way round: run only once it has run
    std::vector<OpId> spoils;   ///< of `after`, those that must not run again: it overwrites what they read
    std::vector<OpId> spoiled_by;  ///< the other way round
    double seconds = 0;            ///< in one step: once per micro-batch in the body
    int64_t workspace = 0;         ///< bytes, aligned
    bool recomputable = false;
    bool movable = false;  ///< may first run wherever these four let it
  };

  struct Value {
    int64_t bytes = 0;  ///< aligned; 0: in storage that is there at all steps
    OpId producer = kNone;
    std::vector<OpId> readers;
    bool to_the_end = false;  ///< lives to the end of the step
  };

  std::vector<Op> ops;        ///< as in the graph: each stands behind its `after`
  std::vector<Value> values;  ///< as in the graph
  int64_t persistent_bytes = 0;

  double seconds_once() const;  ///< of every op run once
};

/// By op, whether it is reached from `op` along `next` (`after` or `then`), `op` itself left out.
std::vector<bool> reached(const SearchGraph& graph, OpId op, std::vector<OpId> SearchGraph::Op::*next);

/// `op_seconds` has one entry per op. A value that `prepare` makes in storage of its own counts as living
/// to the end of the step, which is a phase too long.
SearchGraph make_search_graph(const Graph& graph, const std::vector<double>& op_seconds,
                              const DeviceTraits& device, int micro_batches);

}  // namespace tidemark
