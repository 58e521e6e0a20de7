// What every recomputation strategy is given, and what judges its answers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/plan.h"
#include "planner/remat/chain.h"
#include "planner/remat/search_graph.h"
#include "planner/remat/stages.h"

namespace tidemark {

/// An order of ops with its exact storage.
struct Candidate {
  std::vector<OpId> order;
  Schedule schedule;
  std::vector<int64_t> offsets;
  int64_t arena_bytes = 0;  ///< in whole pages
  double seconds = 0;       ///< of one step
};

class RematProblem {
 public:
  RematProblem(const Graph& graph, std::vector<double> op_seconds, const PlanDevice& device,
               int micro_batches);
  RematProblem(const RematProblem&) = delete;
  RematProblem& operator=(const RematProblem&) = delete;

  const Graph& graph() const { return graph_; }
  const Chain& chain() const { return chain_; }
  const Stages& stages() const { return stages_; }
  const std::vector<double>& op_seconds() const { return op_seconds_; }
  const DeviceTraits& traits() const { return traits_; }
  int micro_batches() const { return micro_batches_; }
  const SearchGraph& search_graph() const { return search_graph_; }
  int64_t persistent_bytes() const { return search_graph_.persistent_bytes; }
  /// What an arena within `budget` leaves for all that does not live at all steps; may be negative.
  int64_t room(int64_t budget) const { return budget / page_bytes() * page_bytes() - persistent_bytes(); }
  int64_t page_bytes() const { return device_.page_bytes; }
  const Candidate& keep_all() const { return keep_all_; }  ///< the graph's own order

  /// Schedules the order without its dead steps, and places it as low as it can with this effort
  /// (ArenaOptions), or within `enough` bytes if it can. Throws Error where the order is not valid.
  Candidate evaluate(const std::vector<OpId>& order, int64_t enough = 0,
                     int64_t effort = ArenaOptions::kUsual) const;
  /// No placement of the order is lower. Cheap.
  int64_t least_bytes(const std::vector<OpId>& order) const;
  /// A placement within `budget` bytes. Nothing where none is found.
  std::optional<Candidate> fit(const std::vector<OpId>& order, int64_t budget) const;

 private:
  const Graph& graph_;
  std::vector<double> op_seconds_;
  PlanDevice device_;
  DeviceTraits traits_;
  int micro_batches_;
  Chain chain_;
  SearchGraph search_graph_;
  Stages stages_;
  Candidate keep_all_;
};

}  // namespace tidemark
