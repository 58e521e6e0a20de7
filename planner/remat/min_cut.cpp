#include <algorithm>

#include "planner/remat/moment.h"
#include "planner/remat/strategy.h"
#include "planner/remat/timeline.h"

namespace tidemark {
namespace {

constexpr int kTries = 8;
constexpr int64_t kSamples = 64;

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
    // What is made again needs room of its own behind the moment: leave ever more of it at the moment.
    const int64_t room = problem.room(budget), least = search.least();
    for (int k = 0; k < kTries && !control.stopped(); ++k) {
      std::optional<Timeline> found = search.within(room - (room - least) / (kTries - 1) * k);
      if (!found) return std::nullopt;
      if (static_cast<int64_t>(found->peak()) > room) continue;
      if (std::optional<Candidate> placed = problem.fit(found->order(), budget)) return placed;
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
          op_(most_needed(problem.search_graph())),
          moment_(problem.search_graph(), op_) {}

    int64_t least() { return moment_.least_bytes(); }

    std::optional<Timeline> within(int64_t room) {
      if (least() > room) return std::nullopt;
      Timeline timeline = timeline_;
      LazyRemaker(timeline, moment_.bound(room).fitting.rerun).run(timeline.runs(op_).front());
      timeline.commit();
      return timeline;
    }

   private:
    /// The op behind which most bytes are still read. That is not the op at which most are live: on a
    /// weight's gradient, say, hardly anything depends.
    static OpId most_needed(const SearchGraph& graph) {
      const auto count = static_cast<int64_t>(graph.ops.size());
      OpId best = 0;
      int64_t most = -1;
      const auto look = [&](int64_t from, int64_t to, int64_t stride) {
        for (int64_t op = std::max<int64_t>(from, 0); op < std::min(to, count); op += stride) {
          const int64_t kept = Moment(graph, static_cast<OpId>(op)).kept_bytes();
          if (kept <= most) continue;
          most = kept;
          best = static_cast<OpId>(op);
        }
      };
      const int64_t stride = std::max<int64_t>(1, count / kSamples);
      look(0, count, stride);
      const int64_t middle = best;
      if (stride > 1) look(middle - stride + 1, middle + stride, 1);
      return best;
    }

    Timeline timeline_;
    OpId op_;
    Moment moment_;
  };
};

}  // namespace

const Strategy& min_cut_strategy() {
  static const MinCut strategy;
  return strategy;
}

}  // namespace tidemark
