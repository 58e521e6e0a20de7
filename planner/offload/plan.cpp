#include "planner/offload/plan.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

#include "planner/offload/bound.h"
#include "planner/offload/choose.h"

namespace tidemark {
namespace {

constexpr int kShares = 4;               // of the way from the budget to the unplanned peak, a base each
constexpr int kTries = 4;                // placing takes room that the choice does not know of
constexpr int64_t kEffort = 10'000'000;  // of each of many placements
constexpr int64_t kWorthCopy = 2000;     // a value below this part of the unplanned peak stays

class Maker {
 public:
  Maker(const Graph& graph, const PlanRequest& request) : graph_(graph), request_(request) {}

  PlanResult make() {
    const auto start = std::chrono::steady_clock::now();
    PlanResult result = plain(request_.budget_bytes);
    unplanned_bytes_ = result.unplanned_peak_bytes;
    if (result.plan && result.plan->predicted_seconds <= result.plan->unplanned_seconds) return result;
    best_ = result.plan;
    int64_t smallest = result.smallest_feasible_bytes;
    const int64_t least = result.plan ? request_.budget_bytes : smallest;
    const int first = least >= unplanned_bytes_ ? kShares : result.plan ? 1 : 0;
    for (int share = first; share <= kShares && !stopped(); ++share)
      if (const auto& base = base_plan(least, share)) consider(*base);
    if (!best_) {
      for (int share : {0, kShares})
        if (const auto& base = base_plan(least, share)) smallest = std::min(smallest, squeeze(*base));
    }
    if (!best_) {
      result.smallest_feasible_bytes = smallest;
      result.missing_bytes = smallest - request_.budget_bytes;
      return result;
    }
    bound(*best_);
    result.plan = std::move(best_);
    result.smallest_feasible_bytes = result.missing_bytes = 0;
    result.plan->solve_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
  }

 private:
  bool stopped() const { return request_.stop && request_.stop(); }

  PlanResult plain(int64_t budget, const std::string& strategy = {}) const {
    PlanRequest r = request_;
    r.offload = {.activations = false, .states = false};
    r.budget_bytes = budget;
    r.time_limit_seconds /= kShares + 1;
    if (!strategy.empty()) r.strategy = strategy;
    return make_plan(graph_, r);
  }

  const std::optional<Plan>& base_plan(int64_t least, int share) {
    std::optional<Plan>& base = bases_[static_cast<size_t>(share)];
    if (base) return base;
    const int64_t budget = least + (unplanned_bytes_ - least) * share / kShares;
    return base = share == kShares ? plain(0, "keep-all").plan : plain(budget).plan;
  }

  std::vector<OffloadKinds> kinds() const {
    const OffloadKinds& all = request_.offload;
    if (!all.activations || !all.states) return {all};
    return {all, {.activations = true, .states = false}, {.activations = false, .states = true}};
  }

  void consider(const Plan& base) {
    const int64_t page = base.device.page_bytes;
    for (const OffloadKinds& k : kinds()) {
      int64_t room = request_.budget_bytes / page * page;
      for (int i = 0; i < kTries && room > 0 && !stopped(); ++i) {
        const int64_t over = try_within(base, k, room) - request_.budget_bytes;
        if (over <= 0) break;
        room -= over;
      }
    }
  }

  /// Bytes of the arena where everything goes that can.
  int64_t squeeze(const Plan& base) { return try_within(base, request_.offload, 0); }

  /// Bytes of the arena; no more than the budget where it is a plan.
  int64_t try_within(const Plan& base, const OffloadKinds& kinds, int64_t room) {
    const OffloadProblem problem{graph_,
                                 base.schedule,
                                 base.step_seconds,
                                 request_.host_link,
                                 kinds,
                                 std::max<int64_t>(1, unplanned_bytes_ / kWorthCopy)};
    const int64_t page = base.device.page_bytes;
    Plan plan = base;
    plan.offloads = choose_offloads(problem, room);
    apply_offloads(graph_, plan.offloads, plan.schedule);
    // The smallest is the same whatever the budget: what was said to fit does.
    const int64_t target = room > 0 ? request_.budget_bytes / page * page : 0;
    ArenaSolution placed = solve_arena(arena_buffers(plan.schedule), {.effort = kEffort, .target = target});
    if (const int64_t bytes = rounded_up(placed.end, page); bytes > request_.budget_bytes) return bytes;
    plan.offsets = std::move(placed.offsets);
    keep_if_best(std::move(plan));
    return std::min(rounded_up(placed.end, page), request_.budget_bytes);
  }

  void keep_if_best(Plan plan) {
    const double ops = plan.predicted_seconds;
    const double all =
        seconds_with_copies(graph_, plan.schedule, plan.step_seconds, plan.micro_batches, request_.host_link);
    plan.copy_seconds = std::max(0.0, all - ops);
    plan.predicted_seconds = ops + plan.copy_seconds;
    if (best_ && best_->predicted_seconds <= plan.predicted_seconds) return;
    plan.budget_bytes = request_.budget_bytes;
    if (!plan.offloads.empty()) plan.strategy += " + offload";
    finish_plan(graph_, plan);
    if (request_.progress) request_.progress({"offload", plan.predicted_seconds, plan.unplanned_seconds});
    best_ = std::move(plan);
  }

  void bound(Plan& plan) const {
    const SearchGraph graph =
        make_search_graph(graph_, request_.times.seconds, traits_of(request_.device), request_.micro_batches);
    int64_t state_bytes = 0;
    for (const Buffer& b : plan.schedule.buffers)
      if (b.category == Category::optimizer_state) state_bytes += rounded_up(b.bytes, kArenaAlignment);
    const int64_t page = request_.device.page_bytes;
    plan.lower_bound_seconds = offload_lower_bound(
        graph, request_.budget_bytes / page * page - graph.persistent_bytes, request_.offload, state_bytes,
        request_.host_link, plan.unplanned_seconds, plan.predicted_seconds);
    plan.gap = plan.lower_bound_seconds > 0 ? plan.predicted_seconds / plan.lower_bound_seconds - 1 : 0;
  }

  const Graph& graph_;
  const PlanRequest& request_;
  int64_t unplanned_bytes_ = 0;
  std::array<std::optional<Plan>, kShares + 1> bases_;  // by share
  std::optional<Plan> best_;
};

}  // namespace

PlanResult make_offload_plan(const Graph& graph, const PlanRequest& request) {
  return Maker(graph, request).make();
}

}  // namespace tidemark
