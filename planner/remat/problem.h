// What every recomputation strategy is given, and what judges its answers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/plan.h"
#include "planner/remat/chain.h"
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
  int64_t persistent_bytes() const { return persistent_bytes_; }
  const Candidate& keep_all() const { return keep_all_; }  ///< the graph's own order

  /// Schedules the order without its dead steps, and places it as low as it can. Throws Error where the
  /// order is not valid.
  Candidate evaluate(const std::vector<OpId>& order) const;
  /// No placement of the order is lower. Cheap.
  int64_t least_bytes(const std::vector<OpId>& order) const;
  /// As evaluate(), but any placement within `budget` bytes will do. Nothing where none is found.
  std::optional<Candidate> fit(const std::vector<OpId>& order, int64_t budget) const;

 private:
  const Graph& graph_;
  std::vector<double> op_seconds_;
  PlanDevice device_;
  DeviceTraits traits_;
  int micro_batches_;
  Chain chain_;
  Stages stages_;
  int64_t persistent_bytes_ = 0;
  Candidate keep_all_;
};

}  // namespace tidemark
