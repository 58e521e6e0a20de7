#include "planner/offload/choose.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "planner/arena/alignment.h"
#include "planner/offload/windows.h"

namespace tidemark {
namespace {

class Chooser {
 public:
  Chooser(const OffloadProblem& problem, int64_t room)
      : problem_(problem), room_(room), live_(live_bytes(problem.schedule, kArenaAlignment)), clock_(1, 0) {
    for (double s : problem.step_seconds) clock_.push_back(clock_.back() + s);
    absences_ = find_absences(problem.graph, problem.schedule, problem.kinds, problem.least_bytes);
    // The longest first: of an absence, the time that its copies have. Of states the last first: the updates
    // of the others make room, since they are the last to read their gradients.
    const auto rank = [&](const Absence& a) {
      return std::tuple(-free_seconds(a), a.state, a.state ? -a.from : 0);
    };
    std::stable_sort(absences_.begin(), absences_.end(),
                     [&](const Absence& a, const Absence& b) { return rank(a) < rank(b); });
  }

  std::vector<Offload> choose() {
    pick();
    drop_needless();
    for (const Absence* a : picked_) offloads_.push_back(at_its_shortest(*a));
    send_again_only_once_back();
    lengthen_copies();
    return in_order_of_time();
  }

 private:
  double at(int32_t point) const { return clock_[static_cast<size_t>(point)]; }
  int64_t& live(int32_t step) { return live_[static_cast<size_t>(step)]; }
  int32_t steps() const { return static_cast<int32_t>(live_.size()); }

  double free_seconds(const Absence& a) const {
    if (!a.state) return at(a.to) - at(a.from + 1);
    return at(a.range.end) - at(a.range.begin);
  }
  static bool away_at(const Absence& a, int32_t step) {
    return a.state ? step < a.from || step > a.to : a.from < step && step < a.to;
  }
  void add(const Absence& a, int64_t bytes) {
    const auto add_to = [&](int32_t begin, int32_t end) {
      for (int32_t s = begin; s < end; ++s) live(s) += bytes;
    };
    if (!a.state) return add_to(a.from + 1, a.to);
    add_to(0, a.from);
    add_to(a.to + 1, steps());
  }

  void pick() {
    std::vector<bool> gone(absences_.size(), false);
    while (true) {
      const auto peak = std::max_element(live_.begin(), live_.end());
      if (peak == live_.end() || *peak <= room_) return;
      const auto step = static_cast<int32_t>(peak - live_.begin());
      size_t i = 0;
      while (i < absences_.size() && (gone[i] || !away_at(absences_[i], step))) ++i;
      if (i == absences_.size()) return;
      gone[i] = true;
      add(absences_[i], -absences_[i].bytes);
      picked_.push_back(&absences_[i]);
    }
  }

  /// Those that went early may be needless once others are gone; the last picked has the least time.
  void drop_needless() {
    const int64_t limit = std::max(room_, *std::max_element(live_.begin(), live_.end()));
    for (size_t i = picked_.size(); i-- > 0;) {
      const Absence& a = *picked_[i];
      add(a, a.bytes);
      if (*std::max_element(live_.begin(), live_.end()) <= limit)
        picked_.erase(picked_.begin() + static_cast<std::ptrdiff_t>(i));
      else
        add(a, -a.bytes);
    }
  }

  static Offload at_its_shortest(const Absence& a) {
    if (a.state) return {a.value, {a.to + 1, a.to + 1}, {a.from, a.from}};
    return {a.value, {a.made + 1, a.from + 1}, {a.to, a.to}};
  }

  /// Of two absences of one instance, the second starts from where the value came back to.
  void send_again_only_once_back() {
    for (size_t i = 0; i < picked_.size(); ++i)
      for (const Absence* other : picked_)
        if (other->buffer == picked_[i]->buffer && other->to <= picked_[i]->from &&
            picked_[i]->made < other->to)
          offloads_[i].to_host.begin = picked_[i]->from + 1;
  }

  std::vector<size_t> sorted(const auto& before) const {
    std::vector<size_t> order(offloads_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return before(offloads_[a], offloads_[b]); });
    return order;
  }

  void lengthen_copies() {
    for (const StepRange& range : step_ranges(problem_.graph, problem_.schedule)) {
      std::vector<AwayValue> values;
      for (size_t i = 0; i < offloads_.size(); ++i)
        if (picked_[i]->range == range) values.push_back({picked_[i], &offloads_[i]});
      lengthen_windows(std::move(values), range, problem_.link, clock_, room_, live_);
    }
  }

  std::vector<Offload> in_order_of_time() const {
    std::vector<Offload> ordered;
    for (size_t i : sorted([](const Offload&a, const Offload&b) {
           return std::min(a.to_host.begin, a.from_host.begin) < std::min(b.to_host.begin, b.from_host.begin);
         }))
      ordered.push_back(offloads_[i]);
    return ordered;
  }

  const OffloadProblem& problem_;
  int64_t room_;
  std::vector<int64_t> live_;  // by step
  std::vector<double> clock_;  // by point
  std::vector<Absence> absences_;
  std::vector<const Absence*> picked_;
  std::vector<Offload> offloads_;  // of picked_
};

}  // namespace

std::vector<Offload> choose_offloads(const OffloadProblem& problem, int64_t room) {
  if (problem.schedule.steps.empty()) return {};
  return Chooser(problem, room).choose();
}

}  // namespace tidemark
