#include "planner/planner.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <limits>

#include "base/error.h"
#include "planner/offload/plan.h"
#include "planner/remat/lower_bound.h"
#include "planner/remat/moments_bound.h"
#include "planner/remat/strategy.h"

namespace tidemark {
namespace {

constexpr double kGoodEnough = 1e-5;  // of the bound's seconds: nobody measures less

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
  if (request.offload.any() && !(request.host_link.bytes_per_second > 0))
    throw Error("cannot plan", "offload", "how fast the device copies from and to the host is not known",
                "give a --device with host_bytes_per_second");
}

std::optional<SearchControl::Clock::time_point> deadline(const PlanRequest& request) {
  if (request.time_limit_seconds <= 0) return std::nullopt;
  return SearchControl::Clock::now() + std::chrono::duration_cast<SearchControl::Clock::duration>(
                                           std::chrono::duration<double>(request.time_limit_seconds));
}

/// What is faster than `best`, if that is anything; raises the bound to what a strategy proves.
std::optional<Choice> fastest(const RematProblem& problem, const std::vector<const Strategy*>& strategies,
                              const PlanRequest& request, int64_t budget, LowerBound& bound,
                              SearchControl control, std::optional<Choice> best) {
  control.good_enough_seconds = bound.seconds * (1 + kGoodEnough);
  control.proven = [&](double seconds) {
    bound.seconds = std::max(bound.seconds, seconds);
    control.good_enough_seconds = bound.seconds * (1 + kGoodEnough);
  };
  double reported = std::numeric_limits<double>::infinity();
  control.progress = [&](const SearchProgress& p) {
    if (p.seconds >= reported) return;
    reported = p.seconds;
    if (request.progress) request.progress({p.strategy, p.seconds, bound.seconds});
  };
  for (const Strategy* s : strategies) {
    std::optional<Candidate> found = s->fastest(problem, budget, best ? &best->candidate : nullptr, control);
    if (!found || (best && best->candidate.seconds <= found->seconds)) continue;
    control.progress({s->name(), found->seconds, bound.seconds});
    best = Choice{std::move(*found), s};
    if (best->candidate.seconds <= control.good_enough_seconds) break;
  }
  return best;
}

Choice smallest(const RematProblem& problem, const std::vector<const Strategy*>& strategies) {
  std::optional<Choice> best;
  for (const Strategy* s : strategies) {
    Candidate found = s->smallest(problem, best ? &best->candidate : nullptr);
    if (!best || found.arena_bytes < best->candidate.arena_bytes) best = Choice{std::move(found), s};
  }
  return std::move(*best);
}

Plan to_plan(const Graph& graph, const PlanRequest& request, const RematProblem& problem,
             const LowerBound& bound, Choice choice) {
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
  // What must run once bounds it, too, in whatever order it is summed.
  plan.lower_bound_seconds = std::clamp(
      bound.seconds, std::min(plan.unplanned_seconds, plan.predicted_seconds), plan.predicted_seconds);
  plan.gap = plan.lower_bound_seconds > 0 ? plan.predicted_seconds / plan.lower_bound_seconds - 1 : 0;
  plan.cost_model = request.times.model;
  return plan;
}

}  // namespace

PlanResult make_plan(const Graph& graph, const PlanRequest& request) {
  check(graph, request);
  if (request.offload.any() && request.budget_bytes > 0) return make_offload_plan(graph, request);
  const auto start = std::chrono::steady_clock::now();
  const auto chosen = find_strategies(request.strategy);
  const RematProblem problem(graph, request.times.seconds, request.device, request.micro_batches);
  const int64_t budget =
      request.budget_bytes == 0 ? std::numeric_limits<int64_t>::max() : request.budget_bytes;

  if (chosen.size() == 1 && !chosen.front()->takes(problem, request.time_limit_seconds > 0))
    throw Error("cannot plan", "strategy", "the graph is too large for " + request.strategy,
                request.time_limit_seconds > 0 ? "use auto" : "use auto, or give a time limit");

  PlanResult result;
  result.unplanned_peak_bytes = problem.keep_all().arena_bytes;
  LowerBound bound = lower_bound(problem.search_graph(), problem.room(budget));
  SearchControl control;
  control.stop = request.stop;
  control.deadline = deadline(request);
  // Beside the search and without influence on it: without a deadline the plan must not depend on time.
  std::atomic<bool> is_enough = !std::isfinite(bound.seconds);
  SearchControl beside;
  beside.deadline = control.deadline;
  beside.stop = [&] { return is_enough.load(); };
  std::future<double> several = std::async(std::launch::async, [&, contested = bound.contested] {
    return moments_bound(problem.search_graph(), problem.room(budget), contested, beside);
  });
  std::optional<Choice> choice;
  if (std::isfinite(bound.seconds))
    choice = fastest(problem, chosen, request, budget, bound, control, std::nullopt);
  if (!choice) {
    Choice last = smallest(problem, chosen);
    if (last.candidate.arena_bytes > budget) {
      is_enough = true;
      result.smallest_feasible_bytes = last.candidate.arena_bytes;
      result.missing_bytes = last.candidate.arena_bytes - budget;
      return result;
    }
    choice = fastest(problem, chosen, request, budget, bound, control, std::move(last));
  }
  is_enough =
      (control.stop && control.stop()) || choice->candidate.seconds <= bound.seconds * (1 + kGoodEnough);
  bound.seconds = std::max(bound.seconds, several.get());
  result.plan = to_plan(graph, request, problem, bound, std::move(*choice));
  result.plan->solve_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace tidemark
