#include "planner/remat/annealer.h"

#include <algorithm>
#include <cmath>

namespace tidemark {
namespace {

constexpr double kFirstHeat = 0.5;           // of HeatOf::op's seconds
constexpr double kFirstHeatOfSecond = 0.15;  // of HeatOf::second's
constexpr double kCooling = 1e-3;            // from the first heat to the last
constexpr double kRemakeInputs = 0.8;        // share of dead inputs that are made again, not kept alive
constexpr int kDeepestRemake = 60;
constexpr int64_t kCheckEvery = 128;
constexpr int kTries = 64;
constexpr double kPriceWhereItFits = 10;  // or the first heat drives out of a room that is hard to find again

}  // namespace

Annealer::Annealer(Timeline start, int64_t room, uint64_t seed, HeatOf heat)
    : timeline_(std::move(start)), room_(static_cast<double>(room)), random_(seed) {
  double seconds = 0, squares = 0, bytes = 0;
  for (size_t i = 0; i < graph().ops.size(); ++i) {
    const auto id = static_cast<OpId>(i);
    if (op(id).movable) movable_.push_back(id);
    if (!op(id).recomputable) continue;
    recomputable_.push_back(id);
    seconds += op(id).seconds;
    squares += op(id).seconds * op(id).seconds;
    for (ValueId v : op(id).makes) {
      droppable_.push_back(v);
      bytes += static_cast<double>(value(v).bytes);
    }
  }
  if (seconds > 0) unit_ = seconds / static_cast<double>(recomputable_.size());
  heat_ = heat == HeatOf::op || seconds == 0 ? kFirstHeat * unit_ : kFirstHeatOfSecond * squares / seconds;
  price_ = bytes > 0 ? unit_ * static_cast<double>(recomputable_.size()) / bytes : 1;
  keep_if_best(measure());
  if (best_) price_ *= kPriceWhereItFits;
}

void Annealer::set_room(int64_t room) {
  room_ = static_cast<double>(room);
  if (best_peak_ > room) best_.reset();
  keep_if_best(measure());
}

double Annealer::cost(const Energy& e) const {
  return e.seconds + price_ * (e.over.most + e.over.sum / timeline_.slots());
}

void Annealer::keep_if_best(const Energy& e) {
  if (e.over.sum > 0 || (best_ && e.seconds >= best_seconds_)) return;
  best_ = timeline_.order();
  best_seconds_ = e.seconds;
  best_peak_ = static_cast<int64_t>(timeline_.peak());
}

void Annealer::keep_if_lowest(const Energy& e) {
  if (e.over.most == 0 || room_ + e.over.most >= lowest_peak_) return;
  lowest_ = timeline_.order();
  lowest_peak_ = room_ + e.over.most;
}

void Annealer::find_crowded() {
  timeline_.find_crowded(std::min(room_, 0.98 * timeline_.peak()), crowded_);
}

void Annealer::run(int64_t changes, const SearchControl& control) {
  Energy now = measure();
  double current = cost(now);
  int64_t fitting = 0;
  for (int64_t i = 0; i < changes; ++i) {
    if (i % kCheckEvery == 0) {
      if (control.stopped() || (best_ && best_seconds_ <= control.good_enough_seconds)) return;
      find_crowded();
      if (i > 0) price_ *= 2 * fitting > kCheckEvery ? 0.9 : 1.1;
      fitting = 0;
      current = cost(now);
    }
    fitting += now.over.sum == 0 ? 1 : 0;
    const double heat = heat_ * std::pow(kCooling, static_cast<double>(i) / static_cast<double>(changes));
    if (!change()) {
      timeline_.roll_back();
      continue;
    }
    const Energy then = measure();
    const double next = cost(then);
    if (next > current && chance() >= std::exp((current - next) / heat)) {
      timeline_.roll_back();
      continue;
    }
    timeline_.commit();
    now = then;
    current = next;
    keep_if_best(now);
    keep_if_lowest(now);
  }
}

bool Annealer::change() {
  const size_t kind = draw(16);
  if (kind < 5) return drop();
  if (kind < 9) return keep();
  if (kind < 13) return keep() && drop();
  return move();
}

std::optional<int32_t> Annealer::next_read(ValueId id, int32_t slot) const {
  std::optional<int32_t> next;
  for (OpId reader : value(id).readers) {
    const std::vector<int32_t>& runs = timeline_.runs(reader);
    const auto found = std::upper_bound(runs.begin(), runs.end(), slot);
    if (found != runs.end()) next = next ? std::min(*next, *found) : *found;
  }
  return next;
}

/// A value that only waits in a crowded slot is made again just before its next read instead.
bool Annealer::drop() {
  if (droppable_.empty() || crowded_.empty()) return false;
  const int32_t slot = crowded_[draw(crowded_.size())];
  for (int tries = 0; tries < kTries; ++tries) {
    const ValueId v = droppable_[draw(droppable_.size())];
    if (timeline_.runs(value(v).producer).front() >= slot) continue;
    const Timeline::Instance& instance = timeline_.instance_at(v, slot);
    if (instance.last <= slot || instance.made == slot) continue;
    const std::optional<int32_t> read = next_read(v, slot);
    if (read && *read <= instance.last) return remake(value(v).producer, *read, 0);
  }
  return false;
}

bool Annealer::remake(OpId id, int32_t slot, int depth) {
  if (!timeline_.may_add(id, slot)) return false;
  for (ValueId v : op(id).reads)
    if (timeline_.instance_at(v, slot).last < slot && depth < kDeepestRemake && chance() < kRemakeInputs)
      remake(value(v).producer, slot, depth + 1);
  timeline_.add(id, slot);
  return true;
}

/// What runs again somewhere does not; the values it made are kept from before.
bool Annealer::keep() {
  for (int tries = 0; tries < kTries && !recomputable_.empty(); ++tries) {
    const OpId id = recomputable_[draw(recomputable_.size())];
    const std::vector<int32_t>& runs = timeline_.runs(id);
    if (runs.size() < 2) continue;
    unmake(id, runs[1 + draw(runs.size() - 1)]);
    return true;
  }
  return false;
}

void Annealer::unmake(OpId id, int32_t slot) {
  timeline_.remove(id, slot);
  for (ValueId v : op(id).reads) {
    const OpId producer = value(v).producer;
    const std::vector<int32_t>& runs = timeline_.runs(producer);
    if (std::binary_search(runs.begin() + 1, runs.end(), slot) && !is_read_from(producer, slot))
      unmake(producer, slot);
  }
}

/// Whether anybody reads what the op's run at the slot makes.
bool Annealer::is_read_from(OpId id, int32_t slot) const {
  return std::any_of(op(id).makes.begin(), op(id).makes.end(), [&](ValueId v) {
    return timeline_.instance_at(v, slot).last > slot ||
           std::any_of(value(v).readers.begin(), value(v).readers.end(), [&](OpId reader) {
             const std::vector<int32_t>& runs = timeline_.runs(reader);
             return std::binary_search(runs.begin(), runs.end(), slot);
           });
  });
}

/// The first run of an op goes as far forward or back as it may, or anywhere between.
bool Annealer::move() {
  if (movable_.empty()) return false;
  const OpId id = movable_[draw(movable_.size())];
  const auto [low, high] = timeline_.range(id);
  const int32_t from = timeline_.runs(id).front();
  const size_t kind = draw(4);
  int32_t to = kind == 0   ? low
               : kind == 1 ? high
                           : low + static_cast<int32_t>(draw(static_cast<size_t>(high - low) + 1));
  const int32_t step = to < from ? 1 : -1;
  while (to != from && timeline_.first_at(to) != kNone) to += step;
  if (to == from) return false;
  timeline_.move(id, to);
  return true;
}

}  // namespace tidemark
