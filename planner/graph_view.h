// The training graph as a Boost.Graph: vertices are ops, vertex i is op i.
#pragma once

#include <vector>

#include <boost/graph/adjacency_list.hpp>

#include "graph/graph.h"

namespace tidemark {

enum class Dependency : uint8_t {
  data,  ///< the target reads what the source makes
  anti,  ///< the target overwrites what the source reads
};

using OpGraph =
    boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS, boost::no_property, Dependency>;

OpGraph op_graph(const Graph& graph);

/// Whether each op's first run in `order` comes after the first runs of all it depends on. Every op must
/// be in it.
bool respects(const std::vector<OpId>& order, const OpGraph& ops);

/// Forward ops through which every path from the model's input to `sink` leads, in order: the dominators
/// of `sink` (Lengauer & Tarjan 1979). `ignored` ops and what they make count as absent.
std::vector<OpId> bottlenecks(const Graph& graph, const OpGraph& ops, OpId sink,
                              const std::vector<bool>& ignored);

/// For each op, the last of `bottlenecks` that dominates it strictly, as an index; kNone where none does or
/// the op is ignored or not forward.
std::vector<int32_t> dominating_bottleneck(const Graph& graph, const OpGraph& ops,
                                           const std::vector<OpId>& bottlenecks,
                                           const std::vector<bool>& ignored);

}  // namespace tidemark
