#include "planner/remat/lower_bound.h"

#include <algorithm>
#include <map>

#include "planner/remat/moment.h"

namespace tidemark {
namespace {

/// A minimum cut takes about as long as the graph is large, so this is a second or so at any size.
constexpr int64_t kMostWork = 400'000;
constexpr int64_t kFewestMoments = 32;

class MomentSearch {
 public:
  MomentSearch(const SearchGraph& graph, int64_t room)
      : graph_(graph), room_(room), once_(graph.seconds_once()) {
    best_.seconds = once_;
  }

  LowerBound run() {
    const auto count = static_cast<int64_t>(graph_.ops.size());
    if (count == 0) return best_;
    const int64_t most =
        std::clamp(kMostWork / count, kFewestMoments, count < kFewestMoments ? kFewestMoments : count);
    const int64_t stride = std::max<int64_t>(1, 2 * count / most);
    for (int64_t op = 0; op < count; op += stride) look_at(op);
    look_at(count - 1);
    while (static_cast<int64_t>(found_.size()) < most && refine()) {
    }
    std::sort(best_.contested.begin(), best_.contested.end());
    return best_;
  }

 private:
  void look_at(int64_t op) {
    const auto [at, added] = found_.emplace(op, 0);
    if (!added) return;
    Moment moment(graph_, static_cast<OpId>(op));
    if (moment.kept_bytes() <= room_) return;
    at->second = moment.bound(room_).seconds;
    best_.seconds = std::max(best_.seconds, once_ + at->second);
    best_.contested.push_back(static_cast<OpId>(op));
  }

  /// Halves the gap beside the highest moment that has one. Whether there was any.
  bool refine() {
    int64_t best = -1;
    double highest = -1;
    for (auto left = found_.begin(), right = std::next(left); right != found_.end(); left = right++) {
      const double bound = std::max(left->second, right->second);
      if (right->first - left->first < 2 || bound <= highest) continue;
      highest = bound;
      best = (left->first + right->first) / 2;
    }
    if (best >= 0) look_at(best);
    return best >= 0;
  }

  const SearchGraph& graph_;
  int64_t room_;
  double once_ = 0;
  std::map<int64_t, double> found_;  // by op: seconds that must run again
  LowerBound best_;
};

}  // namespace

LowerBound lower_bound(const SearchGraph& graph, int64_t room) {
  return MomentSearch(graph, room).run();
}

}  // namespace tidemark
