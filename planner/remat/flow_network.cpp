#include "planner/remat/flow_network.h"

#include <boost/graph/push_relabel_max_flow.hpp>

namespace tidemark {

size_t FlowNetwork::add_edge(Node from, Node to, int64_t capacity) {
  const auto edge = boost::add_edge(from, to, graph_).first;
  const auto back = boost::add_edge(to, from, graph_).first;
  graph_[edge] = {capacity, 0, back};
  graph_[back] = {0, 0, edge};
  edges_.push_back(edge);
  return edges_.size() - 1;
}

void FlowNetwork::set_capacity(size_t edge, int64_t capacity) {
  graph_[edges_[edge]].capacity = capacity;
}

int64_t FlowNetwork::cut() {
  const int64_t flow = boost::push_relabel_max_flow(
      graph_, kSource, kSink, boost::get(&Edge::capacity, graph_), boost::get(&Edge::residual, graph_),
      boost::get(&Edge::reverse, graph_), boost::get(boost::vertex_index, graph_));
  with_source_.assign(boost::num_vertices(graph_), false);
  std::vector<Node> reached = {kSource};
  with_source_[kSource] = true;
  while (!reached.empty()) {
    const Node node = reached.back();
    reached.pop_back();
    for (auto [e, end] = boost::out_edges(node, graph_); e != end; ++e) {
      const Node next = boost::target(*e, graph_);
      if (graph_[*e].residual == 0 || with_source_[next]) continue;
      with_source_[next] = true;
      reached.push_back(next);
    }
  }
  return flow;
}

}  // namespace tidemark
