#include "planner/graph_view.h"

#include <algorithm>
#include <boost/graph/dominator_tree.hpp>
#include <limits>

#include "graph/opaque.h"

namespace tidemark {
namespace {

using Vertex = boost::graph_traits<OpGraph>::vertex_descriptor;
constexpr Vertex kNoVertex = std::numeric_limits<Vertex>::max();

/// The forward ops that are not ignored, and `sink`, below a root that stands for the model's input.
/// Returns each vertex's immediate dominator.
std::vector<Vertex> immediate_dominators(const Graph& graph, const OpGraph& ops, OpId sink,
                                         const std::vector<bool>& ignored) {
  const size_t n = graph.ops().size();
  const Vertex root = n;
  auto belongs = [&](Vertex v) {
    return static_cast<OpId>(v) == sink || (graph.ops()[v].phase == Phase::forward && !ignored[v]);
  };
  OpGraph forward(n + 1);
  for (Vertex v = 0; v < n; ++v) {
    if (!belongs(v)) continue;
    bool fed = false;
    for (auto [e, end] = boost::in_edges(v, ops); e != end; ++e) {
      const Vertex from = boost::source(*e, ops);
      if (ops[*e] != Dependency::data || !belongs(from)) continue;
      boost::add_edge(from, v, Dependency::data, forward);
      fed = true;
    }
    if (!fed) boost::add_edge(root, v, Dependency::data, forward);
  }
  std::vector<Vertex> dominators(n + 1, kNoVertex);
  boost::lengauer_tarjan_dominator_tree(
      forward, root,
      boost::make_iterator_property_map(dominators.begin(), boost::get(boost::vertex_index, forward)));
  return dominators;
}

}  // namespace

OpGraph op_graph(const Graph& graph) {
  OpGraph ops(graph.ops().size());
  const std::vector<std::vector<OpId>> consumers = graph.consumers();
  for (size_t v = 0; v < consumers.size(); ++v) {
    const OpId producer = graph.values()[v].producer;
    if (producer == kNone) continue;
    for (OpId reader : consumers[v])
      boost::add_edge(static_cast<Vertex>(producer), static_cast<Vertex>(reader), Dependency::data, ops);
  }
  for (size_t i = 0; i < graph.ops().size(); ++i) {
    const Op& op = graph.ops()[i];
    for (const Alias& a : aliases_of(op)) {
      const auto in = static_cast<size_t>(a.in);
      if (!a.required || in >= op.inputs.size() || op.inputs[in] == kNone) continue;
      for (OpId reader : consumers[static_cast<size_t>(op.inputs[in])])
        if (static_cast<size_t>(reader) != i)
          boost::add_edge(static_cast<Vertex>(reader), i, Dependency::anti, ops);
    }
  }
  return ops;
}

bool respects(const std::vector<OpId>& order, const OpGraph& ops) {
  std::vector<size_t> first(boost::num_vertices(ops), order.size());
  for (size_t s = order.size(); s-- > 0;) first[static_cast<size_t>(order[s])] = s;
  for (auto [e, end] = boost::edges(ops); e != end; ++e) {
    const size_t from = first[boost::source(*e, ops)], to = first[boost::target(*e, ops)];
    if (to == order.size() || from >= to) return false;
  }
  return true;
}

std::vector<OpId> bottlenecks(const Graph& graph, const OpGraph& ops, OpId sink,
                              const std::vector<bool>& ignored) {
  const std::vector<Vertex> dominators = immediate_dominators(graph, ops, sink, ignored);
  std::vector<OpId> path;
  for (Vertex v = dominators[static_cast<size_t>(sink)]; v != kNoVertex && v != graph.ops().size();
       v = dominators[v])
    path.push_back(static_cast<OpId>(v));
  std::reverse(path.begin(), path.end());
  return path;
}

std::vector<int32_t> dominating_bottleneck(const Graph& graph, const OpGraph& ops,
                                           const std::vector<OpId>& bottlenecks,
                                           const std::vector<bool>& ignored) {
  const std::vector<Vertex> dominators = immediate_dominators(graph, ops, kNone, ignored);
  std::vector<int32_t> index(graph.ops().size() + 1, kNone), result(graph.ops().size(), kNone);
  for (size_t k = 0; k < bottlenecks.size(); ++k)
    index[static_cast<size_t>(bottlenecks[k])] = static_cast<int32_t>(k);
  for (size_t i = 0; i < result.size(); ++i) {
    Vertex v = dominators[i];
    while (v != kNoVertex && index[v] == kNone) v = dominators[v];
    if (v != kNoVertex) result[i] = index[v];
  }
  return result;
}

}  // namespace tidemark
