#include "planner/arena/portfolio.h"

#include <algorithm>
#include <limits>

namespace tidemark::arena {
namespace {

constexpr double kGrowth = 1.05;     // of the share from one run to the next
constexpr double kNoise = 0.1;       // width of the factor on preferences, from a strategy's second run on
constexpr double kForgetting = 0.5;  // of weights, from run to run
constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

struct Named {
  Pick pick;
  const char* name;
};
constexpr Named kPicks[] = {{Pick::tightest, "tightest"},
                            {Pick::tightest_weighted, "tightest by deaths"},
                            {Pick::fewest_weighted, "fewest choices by deaths"},
                            {Pick::fewest, "fewest choices"}};

}  // namespace

bool Limit::reached(int64_t work) {
  if (work >= work_ || late_) return true;
  if (++calls_ % 32 == 0)
    late_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count() >= seconds_;
  return late_;
}

Portfolio::Portfolio(const Sections& sections, const Techniques& techniques)
    : sections_(sections), techniques_(techniques), tree_(sections, techniques) {
  for (Key key : {Key::life, Key::size, Key::area, Key::sections})
    for (const Named& pick : kPicks) {
      Entry& entry = entries_.emplace_back();
      entry.strategy.pick = pick.pick;
      entry.strategy.preference = keys_of(sections, key);
      entry.name = std::string("exact search, ") + pick.name + ", " + name_of(key);
      if (!techniques.restarts) return;
    }
}

void Portfolio::reset() {
  random_.seed(20231118);
  for (Entry& e : entries_) {
    e.strategy.weight.assign(static_cast<size_t>(sections_.count), 1);
    e.tried = false;
  }
}

Outcome Portfolio::search(int64_t capacity, int64_t most_work, Limit& limit) {
  if (!tree_.set_capacity(capacity)) return Outcome::exhausted;
  reset();
  const int64_t last_work = most_work < kNoLimit - tree_.work() ? tree_.work() + most_work : kNoLimit;
  if (!techniques_.restarts) return run(entries_.front(), kNoLimit, last_work, limit);
  // The first run says how much work a descent is.
  const int64_t before = tree_.work();
  const auto nodes = static_cast<int64_t>(sections_.items.size());
  Outcome outcome = run(entries_.front(), nodes + nodes / 4, last_work, limit);
  auto share = static_cast<double>(tree_.work() - before);
  for (size_t i = 1; outcome == Outcome::stopped; ++i, share *= kGrowth) {
    if (tree_.work() >= last_work || limit.reached(tree_.work())) break;
    const int64_t work = tree_.work() + static_cast<int64_t>(std::min(share, 1e18));
    outcome = run(entries_[i % entries_.size()], kNoLimit, std::min(work, last_work), limit);
  }
  return outcome;
}

Outcome Portfolio::run(Entry& entry, int64_t most_nodes, int64_t last_work, Limit& limit) {
  const int64_t last_node = most_nodes < kNoLimit ? tree_.nodes() + most_nodes : kNoLimit;
  Strategy& strategy = entry.strategy;
  const std::vector<double> preference = strategy.preference;
  if (entry.tried)
    for (double& p : strategy.preference)
      p *= 1 + kNoise * (static_cast<double>(random_() >> 11) * 0x1p-53 - 0.5);
  const Outcome outcome = tree_.run(strategy, [&] {
    return tree_.nodes() >= last_node || tree_.work() >= last_work || limit.reached(tree_.work());
  });
  strategy.preference = preference;
  for (double& w : strategy.weight) w = 1 + (w - 1) * kForgetting;
  entry.tried = true;
  method_ = entry.name;
  return outcome;
}

Placement Portfolio::placement() const {
  Placement p;
  for (size_t i = 0; i < sections_.items.size(); ++i) {
    p.offsets.push_back(tree_.offset(static_cast<int32_t>(i)));
    p.end = std::max(p.end, p.offsets.back() + sections_.items[i].height);
  }
  p.method = method_;
  return p;
}

}  // namespace tidemark::arena
