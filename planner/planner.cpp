#include "planner/planner.h"

#include <chrono>
#include <limits>

#include "base/error.h"
#include "planner/remat/lower_bound.h"
#include "planner/remat/strategy.h"

namespace tidemark {
namespace {

struct Choice {
  Candidate candidate;
  const Strategy* strategy = nullptr;
};

void check(const Graph& graph, const PlanRequest& request) {
  if (request.budget_bytes < 0)
    throw Error("cannot plan", "budget", "it is negative", "give the bytes that the arena may have");
  if (request.times.seconds.size() != graph.ops().size())
    throw Error("cannot plan", "times", "there is not one for each op of the graph",
                "make them for this graph");
  if (request.device.threads < 1 || request.device.page_bytes < kArenaAlignment || request.micro_batches < 1)
    throw Error("cannot plan", "device", "threads, page size and micro-batches must be positive",
                "check the request");
}

std::optional<Choice> fastest(const RematProblem& problem, const std::vector<const Strategy*>& strategies,
                              int64_t budget) {
  std::optional<Choice> best;
  for (const Strategy* s : strategies) {
    std::optional<Candidate> found = s->fastest(problem, budget);
    if (!found || (best && best->candidate.seconds <= found->seconds)) continue;
    best = Choice{std::move(*found), s};
    if (best->candidate.seconds <= problem.keep_all().seconds) break;  // nothing is faster
  }
  return best;
}

Choice smallest(const RematProblem& problem, const std::vector<const Strategy*>& strategies) {
  std::optional<Choice> best;
  for (const Strategy* s : strategies) {
    Candidate found = s->smallest(problem);
    if (!best || found.arena_bytes < best->candidate.arena_bytes) best = Choice{std::move(found), s};
  }
  return std::move(*best);
}

Plan to_plan(const Graph& graph, const PlanRequest& request, const RematProblem& problem, Choice choice) {
  Plan plan;
  plan.device = request.device;
  plan.budget_bytes = request.budget_bytes;
  plan.micro_batches = request.micro_batches;
  plan.strategy = choice.strategy->name();
  plan.schedule = std::move(choice.candidate.schedule);
  plan.offsets = std::move(choice.candidate.offsets);
  finish_plan(graph, plan);
  plan.unplanned_peak_bytes = problem.keep_all().arena_bytes;
  for (const Step& step : plan.schedule.steps)
    plan.step_seconds.push_back(request.times.seconds[static_cast<size_t>(step.op)]);
  plan.predicted_seconds = choice.candidate.seconds;
  plan.unplanned_seconds = problem.keep_all().seconds;
  plan.lower_bound_seconds =
      std::min(lower_bound_seconds(problem, request.budget_bytes), plan.predicted_seconds);
  plan.gap = plan.lower_bound_seconds > 0 ? plan.predicted_seconds / plan.lower_bound_seconds - 1 : 0;
  plan.cost_model = request.times.model;
  return plan;
}

}  // namespace

PlanResult make_plan(const Graph& graph, const PlanRequest& request) {
  check(graph, request);
  const auto start = std::chrono::steady_clock::now();
  const auto chosen = find_strategies(request.strategy);
  const RematProblem problem(graph, request.times.seconds, request.device, request.micro_batches);
  const int64_t budget =
      request.budget_bytes == 0 ? std::numeric_limits<int64_t>::max() : request.budget_bytes;

  PlanResult result;
  result.unplanned_peak_bytes = problem.keep_all().arena_bytes;
  std::optional<Choice> choice = fastest(problem, chosen, budget);
  if (!choice) {
    Choice last = smallest(problem, chosen);
    if (last.candidate.arena_bytes > budget) {
      result.smallest_feasible_bytes = last.candidate.arena_bytes;
      result.missing_bytes = last.candidate.arena_bytes - budget;
      return result;
    }
    choice = std::move(last);
  }
  result.plan = to_plan(graph, request, problem, std::move(*choice));
  result.plan->solve_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace tidemark
