#include "planner/arena/tree.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

namespace tidemark::arena {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

uint64_t mixed(uint64_t x) {  // the finalizer of SplitMix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

std::vector<int32_t> twins(const std::vector<Item>& items) {
  std::map<std::vector<std::tuple<int32_t, int32_t, int64_t, int64_t>>, int32_t> latest;
  std::vector<int32_t> twin;
  for (size_t i = 0; i < items.size(); ++i) {
    std::vector<std::tuple<int32_t, int32_t, int64_t, int64_t>> shape;
    for (const Block& b : items[i].blocks) shape.emplace_back(b.first, b.last, b.bottom, b.height);
    const auto [place, fresh] = latest.emplace(std::move(shape), -1);
    twin.push_back(place->second);
    place->second = static_cast<int32_t>(i);
  }
  return twin;
}

bool covers(const Item& item, int32_t section) {
  return std::any_of(item.blocks.begin(), item.blocks.end(),
                     [&](const Block& b) { return b.first <= section && section <= b.last; });
}

}  // namespace

Tree::Tree(const Sections& sections, const Techniques& techniques)
    : sections_(sections),
      techniques_(techniques),
      skyline_(sections),
      twin_(twins(sections.items)),
      begins_(at(sections.count)) {
  for (size_t i = 0; i < sections.items.size(); ++i)
    for (const Block& b : sections.items[i].blocks) begins_[at(b.first)].push_back(static_cast<int32_t>(i));
  for (const Item& i : sections.items) least_end_ = std::min(least_end_, i.least_end);
}

bool Tree::set_capacity(int64_t capacity) {
  nogoods_.clear();
  feasible_ = skyline_.reset(capacity, techniques_.inference);
  return feasible_;
}

Outcome Tree::run(Strategy& strategy, const std::function<bool()>& stop) {
  strategy_ = &strategy;
  open_.clear();
  pending_.clear();
  choices_.clear();
  if (!feasible_) return Outcome::exhausted;
  skyline_.undo(0);
  split(0, sections_.count - 1, -1);
  while (!pending_.empty()) {
    if (stop()) return Outcome::stopped;
    const Component component = pending_.back();
    pending_.pop_back();
    int32_t node = component.parent;
    if (open(component)) node = static_cast<int32_t>(open_.size()) - 1;
    while (node >= 0 && !advance(node)) {
      if (techniques_.nogoods) nogoods_.add(open_[at(node)].key);
      node = open_[at(node)].component.parent;
    }
    if (node < 0) return Outcome::exhausted;
  }
  return Outcome::solved;
}

/// Puts the components of a range of sections on the stack, the one that failed most often on top.
void Tree::split(int32_t first, int32_t last, int32_t parent) {
  const size_t begin = pending_.size();
  for (int32_t s = first; s <= last;) {
    int32_t end = s;
    while (end < last && (techniques_.decomposition ? skyline_.links(end) > 0 : true)) ++end;
    const bool empty = end == s && skyline_.waiting(s) == 0;
    if (!empty) pending_.push_back({s, end, parent});
    s = end + 1;
  }
  if (pending_.size() - begin < 2) return;
  const auto heaviest = [&](const Component& c) {
    return *std::max_element(strategy_->weight.begin() + c.first, strategy_->weight.begin() + c.last + 1);
  };
  std::stable_sort(pending_.begin() + static_cast<std::ptrdiff_t>(begin), pending_.end(),
                   [&](const Component& a, const Component& b) { return heaviest(a) < heaviest(b); });
}

StateKey Tree::key_of(const Component& c) const {
  StateKey key{static_cast<uint64_t>(c.first), static_cast<uint64_t>(c.last)};
  for (int32_t s = c.first; s <= c.last; ++s) {
    if (skyline_.waiting(s) == 0) continue;
    const uint64_t floor = 2 * static_cast<uint64_t>(skyline_.floor(s)) + (skyline_.firm(s) ? 1 : 0);
    const uint64_t x = mixed(floor + 0x9e3779b97f4a7c15u * static_cast<uint64_t>(s + 1));
    key.low += x ^ skyline_.waiting_hash(s);
    key.high += mixed(x + skyline_.waiting_hash(s));
  }
  return key;
}

double Tree::score(int32_t s) const {
  const auto slack = static_cast<double>(skyline_.slack(s));
  const double choices = skyline_.candidates(s) + (slack > 0 ? 1 : 0);
  switch (strategy_->pick) {
    case Pick::tightest: return slack;
    case Pick::tightest_weighted: return slack / strategy_->weight[at(s)] + 1e-3 * choices;
    case Pick::fewest: return choices;
    case Pick::fewest_weighted: break;
  }
  return choices / strategy_->weight[at(s)];
}

/// The section to decide and the valley it lies in.
Tree::Valley Tree::choose(const Component& c) const {
  const auto wall = [&](int32_t s) { return skyline_.waiting(s) == 0 ? kNever : skyline_.floor(s); };
  int64_t lowest = kNever;
  if (sections_.gaps)  // an item may have blocks in several valleys: only the lowest ones are safe
    for (int32_t s = c.first; s <= c.last; ++s) lowest = std::min(lowest, wall(s));
  Valley best;
  double best_score = std::numeric_limits<double>::infinity();
  work_ += c.last - c.first + 1;
  for (int32_t first = c.first, last = first; first <= c.last; first = last + 1) {
    const int64_t floor = wall(first);
    for (last = first; last < c.last && wall(last + 1) == floor;) ++last;
    if (floor > lowest || floor == kNever) continue;
    if (first > c.first && wall(first - 1) < floor) continue;
    if (last < c.last && wall(last + 1) < floor) continue;
    for (int32_t s = first; s <= last; ++s) {
      const double points = score(s);
      if (points >= best_score) continue;
      best_score = points;
      best = {s, first, last};
    }
  }
  return best;
}

bool Tree::rests(const Item& item, int64_t offset) const {
  if (offset == 0) return true;
  for (const Block& b : item.blocks)
    for (int32_t s = b.first; s <= b.last; ++s)
      if (skyline_.firm(s) && skyline_.floor(s) == offset + b.bottom) return true;
  return false;
}

void Tree::list_choices(const Valley& valley) {
  const size_t begin = choices_.size();
  const int64_t floor = skyline_.floor(valley.section);
  for (const Skyline::Member& m : skyline_.members(valley.section)) {
    const int64_t offset = skyline_.least(m.item);
    if (offset + m.bottom != floor) continue;
    if (techniques_.symmetry && twin_[at(m.item)] >= 0 && !skyline_.placed(twin_[at(m.item)])) continue;
    if (techniques_.canonical && !rests(sections_.items[at(m.item)], offset)) continue;
    choices_.push_back(m.item);
  }
  const std::vector<double>& preference = strategy_->preference;
  std::sort(choices_.begin() + static_cast<std::ptrdiff_t>(begin), choices_.end(), [&](int32_t a, int32_t b) {
    return preference[at(a)] != preference[at(b)] ? preference[at(a)] > preference[at(b)] : a < b;
  });
}

bool Tree::open(const Component& component) {
  ++nodes_;
  Node node;
  node.component = component;
  node.mark = skyline_.mark();
  node.pending = pending_.size();
  node.next = choices_.size();
  if (techniques_.nogoods) {
    node.key = key_of(component);
    if (nogoods_.contains(node.key)) return false;
  }
  node.valley = choose(component);
  list_choices(node.valley);
  node.choices_end = choices_.size();
  open_.push_back(node);
  return true;
}

/// The lowest floor at which something may lie in a section if nothing lies on its present one. What could
/// have rests on the end of an item beside it, which lies on the same floor or reaches in from higher up.
int64_t Tree::next_floor(const Node& node) const {
  const Valley& valley = node.valley;
  const int64_t floor = skyline_.floor(valley.section);
  int64_t next = kNever;
  bool excluded = false;
  for (const Skyline::Member& m : skyline_.members(valley.section)) {
    const int64_t bottom = skyline_.least(m.item) + m.bottom;
    if (bottom > floor)
      next = std::min(next, bottom);
    else
      excluded = true;
  }
  if (!excluded) return next;
  const Component& c = node.component;
  const auto [from, to] = sections_.gaps ? std::pair(c.first, c.last) : std::pair(valley.first, valley.last);
  for (int32_t s = std::max(c.first, from - 1); s <= std::min(c.last, to + 1); ++s) {
    if (skyline_.waiting(s) == 0) continue;
    if (skyline_.floor(s) > floor) next = std::min(next, skyline_.floor(s) + least_end_);
    if (s < from || s > to) continue;
    work_ += static_cast<int64_t>(begins_[at(s)].size());
    for (int32_t i : begins_[at(s)])
      if (!skyline_.placed(i) && skyline_.least(i) == floor &&
          !covers(sections_.items[at(i)], valley.section))
        next = std::min(next, floor + sections_.items[at(i)].least_end);
  }
  return next;
}

/// Takes the next choice of a node that is not a dead end at once. False: there is none left.
bool Tree::advance(int32_t index) {
  Node& node = open_[at(index)];
  open_.resize(at(index) + 1);
  pending_.resize(node.pending);
  choices_.resize(node.choices_end);
  while (!node.raised) {
    skyline_.undo(node.mark);
    bool alive = false;
    if (node.next < node.choices_end) {
      alive = skyline_.place(choices_[node.next++]);
    } else {
      node.raised = true;
      const int64_t floor = next_floor(node);
      alive = floor != kNever && skyline_.raise(node.valley.section, floor);
      if (floor == kNever) continue;
    }
    if (alive) {
      split(node.component.first, node.component.last, index);
      return true;
    }
    if (techniques_.learning) strategy_->weight[at(skyline_.dead_section())] += 1;
  }
  return false;
}

}  // namespace tidemark::arena
