#include "planner/remat/problem.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace tidemark {
namespace {

constexpr int64_t kNoBudget = std::numeric_limits<int64_t>::max();

std::vector<OpId> program_order(const Graph& graph) {
  std::vector<OpId> order(graph.ops().size());
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

RematProblem::RematProblem(const Graph& graph, std::vector<double> op_seconds, const PlanDevice& device,
                           int micro_batches)
    : graph_(graph),
      op_seconds_(std::move(op_seconds)),
      device_(device),
      traits_{.threads = device.threads},
      micro_batches_(micro_batches),
      chain_(find_chain(graph)),
      stages_(graph, chain_, op_seconds_, traits_),
      keep_all_(evaluate(program_order(graph))) {
  for (const ArenaBuffer& b : arena_buffers(keep_all_.schedule))
    if (b.bottom) persistent_bytes_ += b.bytes;
}

Candidate RematProblem::evaluate(const std::vector<OpId>& order) const {
  return *fit(order, kNoBudget);
}

int64_t RematProblem::least_bytes(const std::vector<OpId>& order) const {
  return arena_lower_bound(arena_buffers(make_schedule(graph_, without_dead_steps(graph_, order), traits_)));
}

std::optional<Candidate> RematProblem::fit(const std::vector<OpId>& order, int64_t budget) const {
  Candidate c;
  c.order = without_dead_steps(graph_, order);
  c.schedule = make_schedule(graph_, c.order, traits_);
  const std::vector<ArenaBuffer> buffers = arena_buffers(c.schedule);
  if (arena_lower_bound(buffers) > budget) return std::nullopt;
  const int64_t target = budget == kNoBudget ? 0 : budget / device_.page_bytes * device_.page_bytes;
  ArenaSolution placed = solve_arena(buffers, {.target = target});
  c.offsets = std::move(placed.offsets);
  c.arena_bytes = (placed.end + device_.page_bytes - 1) / device_.page_bytes * device_.page_bytes;
  if (c.arena_bytes > budget) return std::nullopt;
  c.seconds = order_seconds(graph_, c.order, op_seconds_, micro_batches_);
  return c;
}

}  // namespace tidemark
