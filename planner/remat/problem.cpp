#include "planner/remat/problem.h"

#include "planner/arena/alignment.h"

namespace tidemark {

RematProblem::RematProblem(const Graph& graph, std::vector<double> op_seconds, const PlanDevice& device,
                           int micro_batches)
    : graph_(graph),
      op_seconds_(std::move(op_seconds)),
      device_(device),
      traits_(traits_of(device)),
      micro_batches_(micro_batches),
      chain_(find_chain(graph)),
      search_graph_(make_search_graph(graph, op_seconds_, traits_, micro_batches)),
      stages_(graph, search_graph_, chain_, op_seconds_, traits_),
      keep_all_(evaluate(program_order(graph))) {}

Candidate RematProblem::evaluate(const std::vector<OpId>& order, int64_t enough, int64_t effort) const {
  Candidate c;
  c.order = without_dead_steps(graph_, order);
  c.schedule = make_schedule(graph_, c.order, traits_);
  ArenaSolution placed = solve_arena(arena_buffers(c.schedule),
                                     {.effort = effort, .target = enough / page_bytes() * page_bytes()});
  c.offsets = std::move(placed.offsets);
  c.arena_bytes = rounded_up(placed.end, page_bytes());
  c.seconds = order_seconds(graph_, c.order, op_seconds_, micro_batches_);
  return c;
}

int64_t RematProblem::least_bytes(const std::vector<OpId>& order) const {
  return arena_lower_bound(arena_buffers(make_schedule(graph_, without_dead_steps(graph_, order), traits_)));
}

std::optional<Candidate> RematProblem::fit(const std::vector<OpId>& order, int64_t budget) const {
  if (least_bytes(order) > budget) return std::nullopt;
  Candidate c = evaluate(order, budget);
  if (c.arena_bytes > budget) return std::nullopt;
  return c;
}

}  // namespace tidemark
