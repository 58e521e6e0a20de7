#include <algorithm>

#include "planner/remat/moment.h"
#include "planner/remat/strategy.h"
#include "planner/remat/timeline.h"

namespace tidemark {
namespace {

constexpr int kTries = 8;

/// Recomputes each of a set of ops once, when something first reads what it makes behind a given slot.
class LazyRemaker {
 public:
  LazyRemaker(Timeline& timeline, const std::vector<OpId>& rerun)
      : timeline_(timeline), waiting_(timeline.graph().ops.size(), false) {
    for (OpId id : rerun) waiting_[static_cast<size_t>(id)] = true;
  }

  void run(int32_t behind) {
    for (int32_t slot = behind + 1; slot < timeline_.slots(); ++slot)
      if (const OpId first = timeline_.first_at(slot); first != kNone) remake_inputs(first, slot);
  }

 private:
  void remake_inputs(OpId reader, int32_t slot) {
    for (ValueId v : timeline_.graph().ops[static_cast<size_t>(reader)].reads) {
      const OpId id = timeline_.graph().values[static_cast<size_t>(v)].producer;
      if (!waiting_[static_cast<size_t>(id)] || !timeline_.may_add(id, slot)) continue;
      waiting_[static_cast<size_t>(id)] = false;
      remake_inputs(id, slot);
      timeline_.add(id, slot);
    }
  }

  Timeline& timeline_;
  std::vector<bool> waiting_;  // by op: to run again, and not yet done
};

class MinCut final : public Strategy {
 public:
  std::string_view name() const override { return "min-cut"; }

  std::optional<Candidate> fastest(const RematProblem& problem, int64_t budget, const Candidate*,
                                   const SearchControl& control) const override {
    Search search(problem);
    // What is made again needs room of its own behind the moment: leave it that much at the moment.
    int64_t room = problem.room(budget);
    for (int tries = 0; tries < kTries && !control.stopped(); ++tries) {
      const std::optional<Timeline> found = search.within(room);
      if (!found) return std::nullopt;
      Timeline timeline = *found;
      const int64_t over = static_cast<int64_t>(timeline.peak()) - problem.room(budget);
      if (over <= 0)
        if (std::optional<Candidate> placed = problem.fit(timeline.order(), budget)) return placed;
      room -= std::max(over, problem.room(budget) / 64);
    }
    return std::nullopt;
  }

  Candidate smallest(const RematProblem& problem, const Candidate*) const override {
    Search search(problem);
    const std::optional<Timeline> found = search.within(search.least());
    if (!found) return problem.keep_all();
    Candidate smallest = problem.evaluate(found->order());
    return smallest.arena_bytes < problem.keep_all().arena_bytes ? smallest : problem.keep_all();
  }

 private:
  class Search {
   public:
    explicit Search(const RematProblem& problem)
        : timeline_(problem.search_graph(), problem.keep_all().order),
          slot_(fullest(timeline_)),
          moment_(problem.search_graph(), timeline_.first_at(slot_)) {}

    int64_t least() { return moment_.least_bytes(); }

    std::optional<Timeline> within(int64_t room) {
      if (least() > room) return std::nullopt;
      Timeline timeline = timeline_;
      LazyRemaker(timeline, moment_.bound(room).fitting.rerun).run(slot_);
      timeline.commit();
      return timeline;
    }

   private:
    static int32_t fullest(Timeline& timeline) {
      int32_t best = 1;
      for (int32_t slot = 1; slot < timeline.slots(); slot += 2)
        if (timeline.level(slot) > timeline.level(best)) best = slot;
      return best;
    }

    Timeline timeline_;
    int32_t slot_;
    Moment moment_;
  };
};

}  // namespace

const Strategy& min_cut_strategy() {
  static const MinCut strategy;
  return strategy;
}

}  // namespace tidemark
