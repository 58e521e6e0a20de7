#include "planner/remat/timeline.h"

#include <algorithm>

namespace tidemark {
namespace {

template <typename Visit>
void each_not_in(const Timeline::Instances& all, const Timeline::Instances& others, Visit visit) {
  for (const Timeline::Instance& i : all)
    if (std::find(others.begin(), others.end(), i) == others.end()) visit(i);
}

}  // namespace

Timeline::Timeline(const SearchGraph& graph, const std::vector<OpId>& order)
    : graph_(&graph),
      first_(2 * graph.ops.size() + 1, kNone),
      again_(first_.size()),
      runs_(graph.ops.size()),
      instances_(graph.values.size()),
      level_(first_.size()),
      local_(first_.size(), 0),
      is_touched_(first_.size(), false),
      last_step_(graph.values.size(), kNone) {
  int32_t slot = 1;
  for (OpId id : order) {
    std::vector<int32_t>& runs = runs_[static_cast<size_t>(id)];
    if (runs.empty()) {
      set_run({id, kNone, slot});
      slot += 2;
    } else if (runs.back() != slot && slot < slots()) {
      set_run({id, kNone, slot});
    }
  }
  // What would be recomputed after the last first run is for nobody.
  for (size_t v = 0; v < instances_.size(); ++v) refresh_instances(static_cast<ValueId>(v));
  for (int32_t s = 0; s < slots(); ++s) touch(s);
  settle();
  commit();
}

std::vector<OpId> Timeline::order() const {
  std::vector<OpId> order;
  for (size_t s = 0; s < first_.size(); ++s) {
    order.insert(order.end(), again_[s].begin(), again_[s].end());
    if (first_[s] != kNone) order.push_back(first_[s]);
  }
  return order;
}

Levels::Excess Timeline::excess(double room) {
  settle();
  return level_.excess(room);
}

double Timeline::level(int32_t slot) {
  settle();
  return level_.at(slot);
}

void Timeline::find_crowded(double least, std::vector<int32_t>& slots) {
  settle();
  level_.find(least, slots);
}

const Timeline::Instance& Timeline::instance_at(ValueId id, int32_t slot) const {
  const Instances& all = instances_[static_cast<size_t>(id)];
  size_t i = all.size() - 1;
  while (i > 0 && all[i].made > slot) --i;
  return all[i];
}

bool Timeline::may_add(OpId id, int32_t slot) const {
  const std::vector<int32_t>& runs = runs_[static_cast<size_t>(id)];
  if (!op(id).recomputable || slot <= runs.front()) return false;
  if (std::binary_search(runs.begin(), runs.end(), slot)) return false;
  return std::all_of(op(id).spoiled_by.begin(), op(id).spoiled_by.end(),
                     [&](OpId w) { return slot <= runs_[static_cast<size_t>(w)].front(); });
}

void Timeline::add(OpId id, int32_t slot) {
  change_run({id, kNone, slot});
}
void Timeline::remove(OpId id, int32_t slot) {
  change_run({id, slot, kNone});
}
void Timeline::move(OpId id, int32_t slot) {
  change_run({id, runs_[static_cast<size_t>(id)].front(), slot});
}

std::pair<int32_t, int32_t> Timeline::range(OpId id) const {
  int32_t low = 0, high = slots() - 1;
  const auto first = [&](OpId o) { return runs_[static_cast<size_t>(o)].front(); };
  for (OpId o : op(id).after) low = std::max(low, first(o) + 1);
  for (OpId o : op(id).then) high = std::min(high, first(o) - 1);
  for (OpId o : op(id).spoils) low = std::max(low, runs_[static_cast<size_t>(o)].back());
  if (runs_[static_cast<size_t>(id)].size() > 1) high = std::min(high, runs_[static_cast<size_t>(id)][1] - 1);
  return {low, high};
}

void Timeline::set_run(const RunChange& c) {
  std::vector<int32_t>& runs = runs_[static_cast<size_t>(c.op)];
  const bool is_first = runs.empty() || (c.from != kNone && c.from == runs.front());
  if (c.from != kNone) {
    runs.erase(std::lower_bound(runs.begin(), runs.end(), c.from));
    std::vector<OpId>& again = again_[static_cast<size_t>(c.from)];
    if (is_first)
      first_[static_cast<size_t>(c.from)] = kNone;
    else
      again.erase(std::lower_bound(again.begin(), again.end(), c.op));
    seconds_ -= op(c.op).seconds;
  }
  if (c.to != kNone) {
    runs.insert(std::lower_bound(runs.begin(), runs.end(), c.to), c.to);
    std::vector<OpId>& again = again_[static_cast<size_t>(c.to)];
    if (is_first)
      first_[static_cast<size_t>(c.to)] = c.op;
    else
      again.insert(std::lower_bound(again.begin(), again.end(), c.op), c.op);
    seconds_ += op(c.op).seconds;
  }
}

void Timeline::change_run(const RunChange& c) {
  set_run(c);
  run_changes_.push_back(c);
  for (int32_t slot : {c.from, c.to})
    if (slot != kNone) touch(slot);
  for (ValueId v : op(c.op).makes) refresh_instances(v);
  for (ValueId v : op(c.op).reads) refresh_reads(v, c);
}

Timeline::Instances Timeline::find_instances(ValueId id) const {
  Instances found;
  if (value(id).bytes == 0) return found;
  for (int32_t slot : runs_[static_cast<size_t>(value(id).producer)]) found.push_back({slot, slot});
  for (OpId reader : value(id).readers)
    for (int32_t slot : runs_[static_cast<size_t>(reader)]) {
      size_t i = found.size() - 1;
      while (found[i].made > slot) --i;
      found[i].last = std::max(found[i].last, slot);
    }
  if (value(id).to_the_end) found.back().last = slots();
  return found;
}

/// After a run that reads the value came, went or moved. Of the many readers that some values have, it is
/// one.
void Timeline::refresh_reads(ValueId id, const RunChange& c) {
  const Instances& then = instances_[static_cast<size_t>(id)];
  if (then.empty()) return;
  // It may have been the last.
  if (c.from != kNone && instance_at(id, c.from).last == c.from) return refresh_instances(id);
  if (c.to == kNone) return;
  const Instance& read = instance_at(id, c.to);
  if (read.last >= c.to) return;
  Instances now = then;
  now[static_cast<size_t>(&read - then.data())].last = c.to;
  change_instances(id, now);
}

void Timeline::refresh_instances(ValueId id) {
  change_instances(id, find_instances(id));
}

void Timeline::change_instances(ValueId id, const Instances& now) {
  const Instances& then = instances_[static_cast<size_t>(id)];
  if (now == then) return;
  each_not_in(then, now, [&](const Instance& i) {
    touch(i.made);
    touch(i.last);
  });
  each_not_in(now, then, [&](const Instance& i) {
    touch(i.made);
    touch(i.last);
  });
  old_instances_.emplace_back(id, then);
  set_instances(id, now);
}

void Timeline::set_instances(ValueId id, const Instances& now) {
  Instances& then = instances_[static_cast<size_t>(id)];
  const auto bytes = static_cast<double>(value(id).bytes);
  const auto spread = [&](int32_t after, int32_t to, double by) {
    level_.add(after + 1, std::min(to, slots() - 1), by);
  };
  // Most changes move an end; what both have in common stays as it is.
  for (size_t a = 0, b = 0; a < then.size() || b < now.size();) {
    if (b == now.size() || (a < then.size() && then[a].made < now[b].made)) {
      spread(then[a].made, then[a].last, -bytes);
      ++a;
    } else if (a == then.size() || now[b].made < then[a].made) {
      spread(now[b].made, now[b].last, bytes);
      ++b;
    } else {
      spread(std::min(now[b].last, then[a].last), std::max(now[b].last, then[a].last),
             now[b].last > then[a].last ? bytes : -bytes);
      ++a, ++b;
    }
  }
  then = now;
}

void Timeline::touch(int32_t slot) {
  if (slot >= slots() || is_touched_[static_cast<size_t>(slot)]) return;
  is_touched_[static_cast<size_t>(slot)] = true;
  touched_.push_back(slot);
}

void Timeline::settle() {
  for (int32_t slot : touched_) {
    const auto s = static_cast<size_t>(slot);
    is_touched_[s] = false;
    const double local = local_peak(slot);
    if (local == local_[s]) continue;
    old_locals_.emplace_back(slot, local_[s]);
    level_.add(slot, slot, local - local_[s]);
    local_[s] = local;
  }
  touched_.clear();
}

double Timeline::local_peak(int32_t slot) {
  const std::vector<OpId>& again = again_[static_cast<size_t>(slot)];
  const OpId first = first_[static_cast<size_t>(slot)];
  const auto steps = static_cast<int32_t>(again.size());
  const auto each_read = [&](auto visit) {
    for (int32_t k = 0; k < steps; ++k)
      for (ValueId v : op(again[static_cast<size_t>(k)]).reads) visit(v, k);
    if (first != kNone)
      for (ValueId v : op(first).reads) visit(v, steps);
  };
  each_read([&](ValueId v, int32_t step) { last_step_[static_cast<size_t>(v)] = step; });
  double live = 0, peak = 0;
  for (int32_t k = 0; k < steps; ++k)
    peak = std::max(peak, run_step(again[static_cast<size_t>(k)], slot, k, live));
  if (first != kNone) peak = std::max(peak, run_step(first, slot, steps, live));
  each_read([&](ValueId v, int32_t) { last_step_[static_cast<size_t>(v)] = kNone; });
  return peak;
}

bool Timeline::dies(ValueId id, int32_t slot, int32_t step) const {
  return last_step_[static_cast<size_t>(id)] <= step && instance_at(id, slot).last == slot;
}

/// Most bytes live in the step, as `live`, which becomes what is live behind it.
double Timeline::run_step(OpId id, int32_t slot, int32_t step, double& live) const {
  const SearchGraph::Op& o = op(id);
  boost::container::small_vector<const SearchGraph::Share*, 4> taken;
  for (ValueId v : o.makes) live += static_cast<double>(value(v).bytes);
  for (const SearchGraph::Share& share : o.shares) {
    const bool used = std::any_of(taken.begin(), taken.end(), [&](const SearchGraph::Share* t) {
      return t->in == share.in || t->out == share.out;
    });
    if (used || !dies(share.in, slot, step)) continue;
    taken.push_back(&share);
    live -= static_cast<double>(value(share.in).bytes);
  }
  const double peak = live + static_cast<double>(o.workspace);
  for (ValueId v : o.makes)
    if (dies(v, slot, step)) live -= static_cast<double>(value(v).bytes);
  for (ValueId v : o.reads) {
    const bool reused =
        std::any_of(taken.begin(), taken.end(), [&](const SearchGraph::Share* t) { return t->in == v; });
    if (!reused && dies(v, slot, step)) live -= static_cast<double>(value(v).bytes);
  }
  return peak;
}

void Timeline::commit() {
  settle();
  run_changes_.clear();
  old_instances_.clear();
  old_locals_.clear();
}

void Timeline::roll_back() {
  settle();
  for (; !run_changes_.empty(); run_changes_.pop_back()) {
    const RunChange& c = run_changes_.back();
    set_run({c.op, c.to, c.from});
  }
  for (; !old_instances_.empty(); old_instances_.pop_back())
    set_instances(old_instances_.back().first, old_instances_.back().second);
  for (; !old_locals_.empty(); old_locals_.pop_back()) {
    const auto [slot, local] = old_locals_.back();
    level_.add(slot, slot, local - local_[static_cast<size_t>(slot)]);
    local_[static_cast<size_t>(slot)] = local;
  }
}

}  // namespace tidemark
