// A network with integer capacities and its minimum cut (Boost.Graph).
#pragma once

#include <boost/graph/adjacency_list.hpp>
#include <cstdint>
#include <vector>

namespace tidemark {

class FlowNetwork {
 public:
  using Node = size_t;
  static constexpr Node kSource = 0;
  static constexpr Node kSink = 1;
  /// No cut of finite capacity goes through such an edge. Finite capacities must add up to less.
  static constexpr int64_t kUnlimited = int64_t{1} << 60;

  FlowNetwork() : graph_(2) {}

  Node add_node() { return boost::add_vertex(graph_); }
  /// Returns the edge's index.
  size_t add_edge(Node from, Node to, int64_t capacity);
  void set_capacity(size_t edge, int64_t capacity);

  /// The capacity of the minimum cut.
  int64_t cut();
  /// Of each node, whether the last cut() leaves it with the source; the smallest such set.
  const std::vector<bool>& with_source() const { return with_source_; }

 private:
  using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
  struct Edge {
    int64_t capacity = 0;
    int64_t residual = 0;
    Traits::edge_descriptor reverse;
  };
  using Network = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, boost::no_property, Edge>;

  Network graph_;
  std::vector<Traits::edge_descriptor> edges_;
  std::vector<bool> with_source_;
};

}  // namespace tidemark
